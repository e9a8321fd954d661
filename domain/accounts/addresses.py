"""One's own mail address: the letter that verifies it sent again, and another address in its place.

An address counts when a letter to it was answered; until then the old one stays. The old one is told, for changing it is how
an account is taken over for good. Answers never tell whether an address has an account.
"""

from __future__ import annotations

import math

import msgspec

from domain.access import Caller
from domain.accounts import letters
from domain.accounts.account import Account, folded_email
from domain.accounts.people import INVITATION_LIFETIME, RESET_LIFETIME, VERIFY_LIFETIME, People
from domain.accounts.ports import Letter, Limit, Ticket
from domain.accounts.resetting import require_password
from domain.accounts.second_factors import require_recent
from domain.errors import Gone, InvalidFields, Throttled

FREE_LETTERS, MOST_LETTERS = 3, 20
"""How many letters in a row somebody may have sent to one account: the mailbox may be a stranger's."""


async def verify_again(people: People, email: str) -> str | None:
    """Send the letter again that an account waits for, the invitation to who was invited; the account's id, which no answer
    may tell. Earlier letters stay good."""
    account = await people.accounts.by_email(email)
    waiting = account is not None and not account.email_verified and account.status != "DISABLED"
    letter = await _letter_again(people, account) if account is not None and waiting else None
    if letter is None:
        await people.tickets.issue("verify-email", Ticket(None), VERIFY_LIFETIME)
    await people.mail.post(letter)
    return account.id if account is not None and letter is not None else None


async def _letter_again(people: People, account: Account) -> Letter | None:
    """The letter, with what was remembered for the first one; `None` when there were too many."""
    if await people.attempts.begin([_letters_to(account)]):
        return None
    credentials = await people.accounts.credentials(account.id)
    if credentials is None or credentials.password is None:
        token = await people.tickets.issue("invitation", Ticket(account.id), INVITATION_LIFETIME)
        return letters.invitation(people, account, token)
    before = await people.tickets.latest("verify-email", account.id)
    ticket = Ticket(account.id, before.data if before is not None else b"")
    return letters.verification(people, account, await people.tickets.issue("verify-email", ticket, VERIFY_LIFETIME))


async def ask_change(people: People, caller: Caller, account: Account, password: str, email: str) -> None:
    """Send a letter to the new address, or to who has it already that they have an account.

    Raises `Unauthenticated` for a wrong password, `StepUpRequired` when a second factor was proven too long ago,
    `InvalidFields` for the address there is, `Throttled`.
    """
    email = email.strip()
    if account.second_factor:
        require_recent(caller, people.clock())
    await require_password(people, account, password)
    if folded_email(email) == folded_email(account.email):
        raise InvalidFields("This is your address already", expression="newEmail")
    wait = await people.attempts.begin([_letters_to(account)])
    if wait:
        raise Throttled("Too many letters; try again later", reason="too_many_attempts", retry_after=math.ceil(wait))
    free = await people.accounts.by_email(email) is None
    ticket = Ticket(account.id, email.encode()) if free else Ticket(None)
    token = await people.tickets.issue("change-email", ticket, RESET_LIFETIME)
    await people.mail.post(letters.new_address(people, email, token) if free else letters.has_account(people, email))


async def change(people: People, token: str) -> Account:
    """The address is the one that the token was sent to, and the old one is told. What else was sent to the old one and is
    not used yet is good no more. Raises `Gone` for a token that is not good, `Conflict` (`email_taken`)."""
    ticket = await people.tickets.look("change-email", token)
    account = await people.accounts.find(ticket.account) if ticket is not None and ticket.account is not None else None
    if ticket is None or account is None or account.status == "DISABLED":
        raise Gone("This link is not good any more; ask for a new one", reason="token_expired")
    changed = msgspec.structs.replace(
        account,
        email=ticket.data.decode(),
        email_verified=True,
        version=account.version + 1,
        updated=people.clock(),
    )
    await people.accounts.replace(changed)
    await people.tickets.revoke(account.id)
    await people.attempts.succeeded([_letters_to(account).name])
    await people.mail.post(letters.address_changed(account))
    return changed


def _letters_to(account: Account) -> Limit:
    return Limit(f"letters|{account.id}", FREE_LETTERS, MOST_LETTERS)
