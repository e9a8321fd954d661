"""What the use cases around accounts need of storage, put together: `domain.accounts.people.People`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from domain.accounts.people import People
from domain.accounts.ports import Accounts
from domain.outbox import Outbox
from domain.ports import NewId
from domain.sessions import Sessions
from storage.crypto.keys import Keyring
from storage.crypto.one_time_codes import TimedCodes
from storage.crypto.passkeys import WebPasskeys
from storage.crypto.passwords import ArgonPasswords
from storage.mail import PostedLetters
from storage.mongo.attempts import MongoAttempts
from storage.mongo.client import Database
from storage.mongo.tickets import MongoTickets


class Outside(NamedTuple):
    """Addresses: the front end that letters link to; `origins` are those of the pages on which passkeys are used, their site
    is the host of the first; and the outbox that letters leave by."""

    front: str
    origins: Sequence[str]
    outbox: Outbox


@asynccontextmanager
async def people(
    database: Database,
    keyring: Keyring,
    accounts: Accounts,
    sessions: Sessions,
    outside: Outside,
    *,
    clock: Callable[[], datetime],
    new_id: NewId,
) -> AsyncIterator[People]:
    """The ports over one database; hashes under way are waited for at the end."""
    passwords = ArgonPasswords()
    try:
        yield People(
            accounts=accounts,
            passwords=passwords,
            codes=TimedCodes(),
            passkeys=WebPasskeys(site=urlsplit(outside.origins[0]).hostname or "", origins=outside.origins),
            tickets=MongoTickets(database, keyring, clock),
            attempts=MongoAttempts(database, keyring.service, clock),
            mail=PostedLetters(outside.outbox),
            sessions=sessions,
            clock=clock,
            new_id=new_id,
            front=outside.front,
        )
    finally:
        passwords.close()
