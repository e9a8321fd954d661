"""Registering, inviting, and proving that a mailbox is one's own.

Whoever registers becomes a PATIENT; another role is only asked for and waits for an administrator, without any right. An
address that has an account is answered like one that has none, and told by letter: nobody learns who is a patient here.
"""

from __future__ import annotations

import msgspec

from domain.access import Role
from domain.accounts import letters
from domain.accounts.account import STAFF, Account, Credentials, Status
from domain.accounts.password_rules import LEAST_ALONE, LEAST_WITH_SECOND_FACTOR, require_fit
from domain.accounts.people import INVITATION_LIFETIME, VERIFY_LIFETIME, People
from domain.accounts.ports import Ticket
from domain.errors import Conflict, Gone, VersionConflict


class Applicant(msgspec.Struct, frozen=True, kw_only=True):
    """Who registers or is invited. `birth_date` (`1980-02-03`) only serves to find the person's record."""

    email: str
    first_name: str
    last_name: str
    role: Role = "PATIENT"
    birth_date: str | None = None

    def __repr__(self) -> str:
        return f"Applicant({self.role})"

    @property
    def is_staff(self) -> bool:
        return self.role in STAFF

    @property
    def status(self) -> Status:
        """What an account that this one registers waits for first."""
        return "PENDING_APPROVAL" if self.is_staff else "PENDING_EMAIL"


async def register(people: People, applicant: Applicant, password: str) -> str | None:
    """Make an account and send the letter that verifies its address. Its id; `None` when the address has one already,
    which no answer may tell. Raises `InvalidFields` for a weak password."""
    least = LEAST_WITH_SECOND_FACTOR if applicant.is_staff else LEAST_ALONE
    require_fit(password, least=least, known=(applicant.email, applicant.first_name, applicant.last_name))
    async with people.passwords.turn():
        hashed = await people.passwords.hash(password)
    account = account_of(people, applicant, status=applicant.status, granted=False)
    credentials = Credentials(account=account.id, password=hashed, short=len(password) < LEAST_ALONE)
    try:
        await people.accounts.add(account, credentials)
    except Conflict:
        await people.tickets.issue("verify-email", Ticket(None), VERIFY_LIFETIME)
        await people.mail.post(letters.has_account(people, applicant.email))
        return None
    data = (applicant.birth_date or "").encode()
    token = await people.tickets.issue("verify-email", Ticket(account.id, data), VERIFY_LIFETIME)
    await people.mail.post(letters.verification(people, account, token))
    return account.id


async def invite(
    people: People, applicant: Applicant, *, profiles: tuple[str, ...] = (), organizations: tuple[str, ...] = ()
) -> Account:
    """Make an account for somebody and send them the letter with which they choose a password.

    The caller has checked who may invite whom. Raises `Conflict` (`email_taken`).
    """
    account = account_of(people, applicant, status="PENDING_EMAIL", granted=True)
    account = msgspec.structs.replace(account, profiles=profiles, organizations=organizations)
    await people.accounts.add(account, Credentials(account=account.id))
    token = await people.tickets.issue("invitation", Ticket(account.id), INVITATION_LIFETIME)
    await people.mail.post(letters.invitation(people, account, token))
    return account


class Verified(msgspec.Struct, frozen=True):
    """An account whose mailbox is proven, and the birth date given when registering."""

    account: Account
    birth_date: str | None

    def __repr__(self) -> str:
        return f"Verified({self.account.id})"


async def verify_email(people: People, token: str) -> Verified:
    """Take the proof from a letter; who only waited for it is active now. Raises `Gone` for a token that is not good.

    The token stays good until `verification_done`, so that what follows can be tried again when it fails.
    """
    ticket = await people.tickets.look("verify-email", token)
    account = await people.accounts.find(ticket.account) if ticket and ticket.account else None
    if ticket is None or account is None or account.status == "DISABLED":
        raise _not_good()
    if not account.email_verified:
        account = verified(account, people)
        try:
            await people.accounts.replace(account)
        except VersionConflict:  # the same link was followed twice at once
            raise _not_good() from None
    return Verified(account, ticket.data.decode() or None)


async def verification_done(people: People, token: str) -> None:
    """The token has done what it was for."""
    await people.tickets.redeem("verify-email", token)


def _not_good() -> Gone:
    return Gone("This link is not good any more; register again or ask for a new one", reason="token_expired")


def verified(account: Account, people: People) -> Account:
    """The next version of an account whose owner has just shown that the mailbox is theirs."""
    status: Status = "ACTIVE" if account.status == "PENDING_EMAIL" else account.status
    return msgspec.structs.replace(
        account, status=status, email_verified=True, version=account.version + 1, updated=people.clock()
    )


def account_of(people: People, applicant: Applicant, *, status: Status, granted: bool) -> Account:
    """A new account: with the role when it is `granted`, else with what everybody gets and the role as a wish."""
    now = people.clock()
    granted = granted or not applicant.is_staff
    return Account(
        id=people.new_id(),
        email=applicant.email.strip(),
        first_name=applicant.first_name,
        last_name=applicant.last_name,
        status=status,
        roles=(applicant.role,) if granted else (),
        asked=None if granted else applicant.role,
        created=now,
        updated=now,
    )
