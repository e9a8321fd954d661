"""What the use cases around accounts work with, put together once at start-up."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from domain.accounts.ports import Accounts, Attempts, Codes, Mail, Passkeys, Passwords, Tickets
from domain.ports import Clock, NewId
from domain.sessions import Sessions

VERIFY_LIFETIME = timedelta(days=3)
INVITATION_LIFETIME = timedelta(days=7)
RESET_LIFETIME = timedelta(hours=1)
STEP_LIFETIME = timedelta(minutes=10)
"""Between the steps of one login."""


class People(NamedTuple):
    """`front` is the address of the front end that letters link to, without a slash at the end."""

    accounts: Accounts
    passwords: Passwords
    codes: Codes
    passkeys: Passkeys
    tickets: Tickets
    attempts: Attempts
    mail: Mail
    sessions: Sessions
    clock: Clock
    new_id: NewId
    front: str
