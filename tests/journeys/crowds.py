"""People with accounts, many at once, for journeys on which they all log in."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from api.settings import Settings
from api.wiring import opened
from domain.accounts.account import Account, Credentials
from tests.journeys.processes import Served

PASSWORD = "a sentence nobody else has 7!"


async def add_people(served: Served, uri: str, folder: Path, count: int) -> None:
    """Accounts whose passwords were hashed once."""
    settings = Settings(
        data_dir=folder, mongodb_uri=uri, database=served.database, keys_database=f"{served.database}_keys"
    )
    async with opened(settings) as parts:
        hashed, now = await parts.people.passwords.hash(PASSWORD), datetime.now(UTC)
        for number in range(count):
            account = Account(
                id=f"crowd-{number}",
                email=f"crowd-{number}@example.org",
                first_name="C",
                last_name="D",
                status="ACTIVE",
                roles=("PATIENT",),
                email_verified=True,
                created=now,
                updated=now,
            )
            await parts.accounts.add(account, Credentials(account=account.id, password=hashed))
