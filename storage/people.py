"""What the use cases around accounts need of storage, put together: `domain.accounts.people.People`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from domain.accounts.people import People
from domain.accounts.ports import Accounts
from domain.ports import NewId
from domain.sessions import Sessions
from storage.crypto.keys import Keyring
from storage.crypto.one_time_codes import TimedCodes
from storage.crypto.passkeys import WebPasskeys
from storage.crypto.passwords import ArgonPasswords
from storage.mail import Post, Report, by_smtp, into_folder
from storage.mongo.attempts import MongoAttempts
from storage.mongo.client import Database
from storage.mongo.tickets import MongoTickets


class Outside(NamedTuple):
    """Addresses: the front end that letters link to, the mail server (or the folder instead), the sender of letters.
    `origins` are those of the pages on which passkeys are used; their site is the host of the first."""

    front: str
    smtp_url: str | None
    mail_folder: Path
    sender: str
    origins: Sequence[str]
    report: Report


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
    """The ports over one database; letters under way and hashes are waited for at the end."""
    passwords = ArgonPasswords()
    deliver = by_smtp(outside.smtp_url) if outside.smtp_url else into_folder(outside.mail_folder)
    post = Post(deliver, outside.sender, outside.report)
    try:
        yield People(
            accounts=accounts,
            passwords=passwords,
            codes=TimedCodes(),
            passkeys=WebPasskeys(site=urlsplit(outside.origins[0]).hostname or "", origins=outside.origins),
            tickets=MongoTickets(database, keyring, clock),
            attempts=MongoAttempts(database, keyring.service, clock),
            mail=post,
            sessions=sessions,
            clock=clock,
            new_id=new_id,
            front=outside.front,
        )
    finally:
        await post.close()
        passwords.close()
