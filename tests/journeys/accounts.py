"""People who can log in to a running server, put into its database as the server's own code would."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import pyotp

from api.settings import Settings
from api.wiring import opened
from domain.access import Role
from domain.accounts.account import Account, Credentials, Totp
from tests.journeys.processes import Served, connection

PASSWORD = "correct horse battery staple"


async def add_account(served: Served, mongodb_uri: str, role: Role, *profiles: str, secret: str | None = None) -> str:
    """An account that can log in with `PASSWORD`, and the codes of `secret` if it has one; its address."""
    settings = Settings(
        data_dir=served.data_dir,
        mongodb_uri=mongodb_uri,
        database=served.database,
        keys_database=f"{served.database}_keys",
    )
    now, name = datetime.now(UTC), secrets.token_hex(8)
    account = Account(
        id=name,
        email=f"{name}@example.org",
        first_name="Ana",
        last_name="Example",
        status="ACTIVE",
        created=now,
        updated=now,
        roles=(role,),
        profiles=profiles,
        email_verified=True,
        second_factor=secret is not None,
    )
    totp = None if secret is None else Totp(secret, True)
    async with opened(settings) as parts:
        hashed = await parts.people.passwords.hash(PASSWORD)
        await parts.accounts.add(account, Credentials(account=name, password=hashed, totp=totp))
    return account.email


async def log_in(served: Served, email: str, secret: str | None = None) -> dict[str, str]:
    """The tokens of a login over /api/v1."""
    body = {"email": email, "password": PASSWORD}
    if secret is not None:
        body["otp"] = pyotp.TOTP(secret).now()
    async with connection(origin_of(served)) as client:
        answer = await client.post("/api/v1/auth/login", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = answer.json()
    return found


def origin_of(served: Served) -> str:
    return served.base.removesuffix("/fhir")
