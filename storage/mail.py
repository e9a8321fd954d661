"""Letters over SMTP (RFC 5321), or into a folder where no server is configured; all of them wait in the outbox.

`smtps://` is TLS from the start, `smtp://` must turn to TLS with STARTTLS, `smtp+insecure://` stays in clear and is for
tests. A letter that is tried again keeps its Message-ID (RFC 5322 section 3.6.4), so that mail programs show it once.
Nothing of a letter is logged.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import formatdate
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiosmtplib
import msgspec

from domain.accounts.ports import Letter
from domain.outbox import Outbox, Parcel, Undeliverable

Deliver = Callable[[EmailMessage], Awaitable[None]]
NOBODY = Letter("", "", " " * 200)
"""Put into the outbox where no letter may be written, so that time does not tell."""


class PostedLetters:
    """`domain.accounts.ports.Mail`: letters become parcels."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def post(self, letter: Letter | None, *, cause: str | None = None) -> None:
        """See `domain.accounts.ports.Mail.post`."""
        content = msgspec.msgpack.encode(letter or NOBODY)
        name = secrets.token_hex(16) if cause is None else hashlib.sha256(cause.encode()).hexdigest()[:32]
        await self._outbox.put([Parcel(id=name, channel="mail", kind="letter", content=content)])


class MailCarrier:
    """`domain.outbox.Carry` for letters."""

    def __init__(self, deliver: Deliver, sender: str) -> None:
        self._deliver = deliver
        self._sender = sender

    async def __call__(self, parcel: Parcel) -> str:
        """Deliver one letter. Raises `Undeliverable`, for good when the address was refused."""
        letter = msgspec.msgpack.decode(parcel.content, type=Letter)
        if not letter.to:
            return "nobody"
        try:
            await self._deliver(message_of(letter, self._sender, parcel.id))
        except ValueError:
            raise Undeliverable("unusable address", final=True) from None
        except aiosmtplib.SMTPRecipientsRefused as error:
            refused = all(each.code >= 500 for each in error.recipients)
            raise Undeliverable("address refused", final=refused) from None
        except (OSError, aiosmtplib.SMTPException) as error:
            raise Undeliverable(type(error).__name__) from None
        return "taken"


def message_of(letter: Letter, sender: str, name: str) -> EmailMessage:
    """A letter as RFC 5322 text. `name` becomes its Message-ID. A line break in an address or a subject is refused by the
    library."""
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"], message["To"], message["Subject"] = sender, letter.to, letter.subject
    message["Date"] = formatdate(localtime=False)
    message["Message-ID"] = f"<{name}@{sender.rpartition('@')[2].rstrip('>')}>"
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
