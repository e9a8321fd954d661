"""A clinic for the tests of people: the running application, a mailbox on a real SMTP server, and accounts at hand."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

import httpx
import pyotp
from aiosmtpd.smtp import SMTP, Envelope, Session
from litestar import Litestar

from api.v1.service import Service
from domain.access import Role
from domain.accounts.account import Account, Credentials, Totp

PASSWORD = "a sentence nobody else has 7!"
ORIGIN = "http://127.0.0.1:8000"


class Mailbox:
    """Takes what a real SMTP connection brings."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self._arrived = asyncio.Event()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        message = message_from_bytes(cast(bytes, envelope.content), policy=policy.default)
        self.letters.append(cast(EmailMessage, message))
        self._arrived.set()
        return "250 OK"

    async def letter_to(self, address: str) -> EmailMessage:
        """The next letter to this address; waits for it."""
        async with asyncio.timeout(10):
            while True:
                for letter in self.letters:
                    if letter["To"] == address:
                        self.letters.remove(letter)
                        return letter
                self._arrived.clear()
                await self._arrived.wait()

    async def token_to(self, address: str) -> str:
        found = re.search(r"#([A-Za-z0-9_-]{40,})", (await self.letter_to(address)).get_content())
        assert found is not None
        return found[1]


class Person:
    """Somebody with an account, and with an app when `secret` is set."""

    def __init__(self, account: Account, secret: str | None) -> None:
        self.account = account
        self.secret = secret
        self._step = 0

    @property
    def email(self) -> str:
        return self.account.email

    def code(self) -> str:
        """A code that was not used yet: of this step, or of the next if this one's was."""
        assert self.secret is not None
        self._step = max(self._step + 1, int(time.time()) // 30)
        return pyotp.TOTP(self.secret).generate_otp(self._step)


class Clinic:
    """What the tests do: HTTP requests, and accounts made without the detour of letters."""

    def __init__(self, app: Litestar, mailbox: Mailbox) -> None:
        self.app = app
        self.mailbox = mailbox
        self.service: Service = app.state.v1._service
        self.people = self.service.people
        transport = httpx.ASGITransport(app, client=("10.1.2.3", 4711))  # type: ignore[arg-type]
        self.web = httpx.AsyncClient(transport=transport, base_url=f"{ORIGIN}/api/v1", timeout=60)

    def elsewhere(self, network: str) -> httpx.AsyncClient:
        """A client with another address."""
        transport = httpx.ASGITransport(self.app, client=(network, 4711))  # type: ignore[arg-type]
        return httpx.AsyncClient(transport=transport, base_url=f"{ORIGIN}/api/v1", timeout=60)

    def fhir(self, token: str, **headers: str) -> httpx.AsyncClient:
        """A client of the FHIR base."""
        transport = httpx.ASGITransport(self.app)  # type: ignore[arg-type]
        given = {**bearer(token), "content-type": "application/fhir+json", **headers}
        return httpx.AsyncClient(transport=transport, base_url=f"{ORIGIN}/fhir", headers=given, timeout=60)

    async def post(self, path: str, body: dict[str, Any], token: str | None = None) -> httpx.Response:
        return await self.web.post(path, json=body, headers=bearer(token))

    async def person(
        self,
        *roles: Role,
        password: str = PASSWORD,
        app: bool | None = None,
        organizations: Sequence[str] = (),
        **given: Any,
    ) -> Person:
        """An active account with these roles; with an app if the roles need one, or as told."""
        now, name = datetime.now(UTC), secrets.token_hex(6)
        account = Account(
            id=f"{name}-id",
            email=f"{name}@example.org",
            first_name="Ana",
            last_name="Lindqvist",
            status="ACTIVE",
            created=now,
            updated=now,
            roles=roles,
            email_verified=True,
            organizations=tuple(organizations),
        )
        secret = pyotp.random_base32() if (account.is_staff if app is None else app) else None
        account = Account(
            **{**{f: getattr(account, f) for f in account.__struct_fields__}, "second_factor": bool(secret), **given}
        )
        credentials = Credentials(
            account=account.id,
            password=await self.people.passwords.hash(password),
            totp=Totp(secret, True) if secret else None,
        )
        await self.people.accounts.add(account, credentials)
        return Person(account, secret)

    async def login(self, person: Person, password: str = PASSWORD, **more: Any) -> dict[str, Any]:
        """The tokens of a login that succeeds."""
        body: dict[str, Any] = {"email": person.email, "password": password, **more}
        if person.secret is not None:
            body["otp"] = person.code()
        answer = await self.post("/auth/login", body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        assert "accessToken" in found, found
        return found

    async def token(self, *roles: Role, **given: Any) -> str:
        """An access token of somebody new."""
        return str((await self.login(await self.person(*roles, **given)))["accessToken"])


def bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"authorization": f"Bearer {token}"}
