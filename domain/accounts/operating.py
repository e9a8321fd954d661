"""Accounts made by whoever runs the server: the first administrator, and those of a demonstration.

No letter is needed: the operator hands over an initial password, shown once. Staff set up a second factor at their first
login like everybody else.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import NamedTuple

import msgspec

from domain.access import Caller
from domain.accounts.account import Account, Credentials
from domain.accounts.people import People
from domain.accounts.registering import Applicant, account_of
from domain.errors import NotFound


class Made(NamedTuple):
    """An account that is not stored yet, and its initial password."""

    account: Account
    credentials: Credentials
    password: str

    def __repr__(self) -> str:
        return f"Made({self.account.id})"


async def made(
    people: People, applicant: Applicant, *, profiles: tuple[str, ...] = (), organizations: tuple[str, ...] = ()
) -> Made:
    """An active account with an initial password of 120 random bits."""
    account = account_of(people, applicant, status="ACTIVE", granted=True)
    account = msgspec.structs.replace(account, profiles=profiles, organizations=organizations, email_verified=True)
    password = secrets.token_urlsafe(15)
    hashed = await people.passwords.hash(password)
    return Made(account, Credentials(account=account.id, password=hashed), password)


def operator(name: str, now: datetime) -> Caller:
    """Whoever can run commands on the server can give every role, and has proven it by that."""
    return Caller(
        subject=name,
        client="chartvault-cli",
        token_id="none",  # noqa: S106
        rights={},
        account=name,
        roles=frozenset({"SUPER_ADMIN"}),
        second_factor_at=now.timestamp(),
    )


async def selected(people: People, who: str) -> Account:
    """The account of an address or an id. Raises `NotFound`."""
    found = await (people.accounts.by_email(who) if "@" in who else people.accounts.find(who))
    if found is None:
        raise NotFound("There is no such account")
    return found
