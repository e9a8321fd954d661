"""Passwords forgotten and changed. Asking for a reset is answered alike for every address; only a letter tells more.

A new password ends every session and every ticket of the account, and frees it from the failures of strangers: who proved
the mailbox is the owner. It proves no second factor: who needs one is still asked for it.
"""

from __future__ import annotations

import math

import msgspec

from domain.accounts import letters
from domain.accounts.account import Account, folded_email
from domain.accounts.password_rules import LEAST_ALONE, LEAST_WITH_SECOND_FACTOR, require_fit
from domain.accounts.people import RESET_LIFETIME, People
from domain.accounts.ports import Limit, Ticket, TicketKind
from domain.accounts.registering import verified
from domain.errors import Gone, Throttled, Unauthenticated

FREE_GUESSES, MOST_GUESSES = 5, 100
_KINDS: tuple[TicketKind, ...] = ("reset-password", "invitation")


async def forgot(people: People, email: str) -> str | None:
    """Send a letter with a token to whoever has this address. The account's id, which no answer may tell."""
    account = await people.accounts.by_email(email)
    usable = account is not None and account.status != "DISABLED"
    ticket = Ticket(account.id if account is not None and usable else None)
    token = await people.tickets.issue("reset-password", ticket, RESET_LIFETIME)
    await people.mail.post(letters.reset(people, account, token) if account is not None and usable else None)
    return ticket.account


async def reset(people: People, token: str, password: str) -> Account:
    """Set the password with the token of a letter. Raises `Gone` for one that is not good, `InvalidFields` for a weak
    password (the token stays good)."""
    account = await _owner_of(people, token)
    if account is None:
        raise Gone("This link is not good any more; ask for a new one", reason="token_expired")
    await _require_fit(people, account, password)
    for kind in _KINDS:
        if await people.tickets.redeem(kind, token) is not None:
            break
    else:
        raise Gone("This link is not good any more; ask for a new one", reason="token_expired")
    if not account.email_verified:
        account = verified(account, people)
        await people.accounts.replace(account)
    await _set(people, account, password, keep=None)
    await people.attempts.succeeded([folded_email(account.email), f"second|{account.id}"])
    return account


async def change(people: People, account: Account, old: str, new: str, *, session: str | None) -> None:
    """Replace a password by who knows it; ends every session but `session`. Raises what `require_password` raises."""
    await require_password(people, account, old)
    await _require_fit(people, account, new)
    await _set(people, account, new, keep=session)


async def require_password(people: People, account: Account, password: str) -> None:
    """Raise `Unauthenticated` unless this is the password of somebody who is logged in; who holds a stolen session guesses
    no faster than a stranger (`Throttled`)."""
    limit = Limit(f"password|{account.id}", FREE_GUESSES, MOST_GUESSES)
    wait = await people.attempts.begin([limit])
    if wait:
        raise Throttled("Too many attempts; try again later", reason="too_many_attempts", retry_after=math.ceil(wait))
    credentials = await people.accounts.credentials(account.id)
    async with people.passwords.turn():
        verdict = await people.passwords.check(password, credentials.password if credentials else None)
    if not verdict.right:
        raise Unauthenticated("The password is wrong", reason="invalid_credentials")
    await people.attempts.succeeded([limit.name])


async def _owner_of(people: People, token: str) -> Account | None:
    for kind in _KINDS:
        ticket = await people.tickets.look(kind, token)
        if ticket is not None and ticket.account is not None:
            account = await people.accounts.find(ticket.account)
            return None if account is None or account.status == "DISABLED" else account
    return None


async def _require_fit(people: People, account: Account, password: str) -> None:
    least = LEAST_WITH_SECOND_FACTOR if account.is_staff or account.second_factor else LEAST_ALONE
    require_fit(password, least=least, known=(account.email, account.first_name, account.last_name))


async def _set(people: People, account: Account, password: str, *, keep: str | None) -> None:
    async with people.passwords.turn():
        hashed = await people.passwords.hash(password)
    credentials = await people.accounts.credentials(account.id)
    if credentials is None:
        raise Gone("This account is gone")
    await people.accounts.replace_credentials(
        msgspec.structs.replace(
            credentials, password=hashed, short=len(password) < LEAST_ALONE, serial=credentials.serial + 1
        )
    )
    await people.tickets.revoke(account.id)
    await people.sessions.end_all(account.id, keep=keep)
    await people.mail.post(letters.password_changed(account))
