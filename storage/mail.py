"""`domain.accounts.ports.Mail`: letters over SMTP (RFC 5321), or into a folder where no server is configured.

`smtps://` is TLS from the start, `smtp://` must turn to TLS with STARTTLS, `smtp+insecure://` stays in clear and is for
tests. Letters wait in memory and are tried again for a few minutes; what is lost with the process can be asked for again.
Nothing of a letter is logged.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import formatdate, make_msgid
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiosmtplib

from domain.accounts.ports import Letter

TRIES, FIRST_PAUSE_SECONDS, CLOSING_SECONDS = 6, 1.0, 5.0
MOST_WAITING = 1_000

Deliver = Callable[[EmailMessage], Awaitable[None]]
Report = Callable[[str], None]
"""Told of a letter that could not be delivered: the kind of failure, nothing of the letter."""


class Post:
    """Delivers letters one by one in the background; `close` waits a moment for those left."""

    def __init__(self, deliver: Deliver, sender: str, report: Report) -> None:
        self._deliver = deliver
        self._sender = sender
        self._report = report
        self._under_way: set[asyncio.Task[None]] = set()

    def post(self, letter: Letter) -> None:
        """See `domain.accounts.ports.Mail.post`."""
        if len(self._under_way) >= MOST_WAITING:
            self._report("too many letters wait")
            return
        task = asyncio.create_task(self._send(letter))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=CLOSING_SECONDS)
            for task in late:
                task.cancel()

    async def _send(self, letter: Letter) -> None:
        message = message_of(letter, self._sender)
        for number in range(TRIES):
            try:
                await self._deliver(message)
                return
            except (OSError, aiosmtplib.SMTPException) as error:
                failure = type(error).__name__
            await asyncio.sleep(FIRST_PAUSE_SECONDS * 3**number)
        self._report(failure)


def message_of(letter: Letter, sender: str) -> EmailMessage:
    """A letter as RFC 5322 text. A line break in an address or a subject is refused by the library."""
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"], message["To"], message["Subject"] = sender, letter.to, letter.subject
    message["Date"], message["Message-ID"] = formatdate(localtime=False), make_msgid(domain=sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    return message


def by_smtp(url: str) -> Deliver:
    """Delivery to the server of `url`: `smtps://name:password@host:465`."""
    address = urlsplit(url)
    secure = address.scheme == "smtps"

    async def deliver(message: EmailMessage) -> None:
        await aiosmtplib.send(
            message,
            hostname=address.hostname,
            port=address.port or (465 if secure else 587),
            username=unquote(address.username) if address.username else None,
            password=unquote(address.password) if address.password else None,
            use_tls=secure,
            start_tls=not (secure or address.scheme == "smtp+insecure"),
            timeout=15,
        )

    return deliver


def into_folder(folder: Path) -> Deliver:
    """Delivery as files only their owner can read, in order of their names."""

    def write(message: EmailMessage) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{formatdate(usegmt=True)[5:25].replace(' ', '-').replace(':', '')}-{secrets.token_hex(4)}.eml"
        with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(message.as_bytes())

    async def deliver(message: EmailMessage) -> None:
        await asyncio.to_thread(write, message)

    return deliver
