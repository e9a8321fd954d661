"""A lease: only one process at a time manages keys, because CSFLE assumes that nobody else does.

One document `{_id, holder, until}` in the key database. The holder renews it between small steps; a holder that died
is succeeded once `until` has passed. Steps are safe to repeat, so a holder that lost its lease unknowingly does no
harm.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

from pymongo.errors import DuplicateKeyError

from domain.errors import Contention
from storage.crypto.vault import Client, durable, reaching_keys

SECONDS = 30.0


class Lease:
    """`await take()`, then `await renew()` before each step, and `await release()` in the end."""

    def __init__(self, client: Client, database: str, name: str, *, seconds: float = SECONDS) -> None:
        self._leases = durable(client[database]["leases"])
        self._name = name
        self._holder = secrets.token_hex(8)
        self._lasting = timedelta(seconds=seconds)

    async def take(self) -> None:
        """Raises `Contention` while another holds it."""
        now = datetime.now(UTC)
        free = {"_id": self._name, "until": {"$lt": now}}
        mine = {"$set": {"holder": self._holder, "until": now + self._lasting}}
        with reaching_keys():
            try:
                await self._leases.update_one(free, mine, upsert=True)
            except DuplicateKeyError:
                raise Contention(f"Another process is busy with {self._name}") from None

    async def renew(self) -> None:
        """Raises `Contention` when it was lost."""
        with reaching_keys():
            renewed = await self._leases.update_one(
                {"_id": self._name, "holder": self._holder},
                {"$set": {"until": datetime.now(UTC) + self._lasting}},
            )
        if not renewed.matched_count:
            raise Contention(f"Another process has taken over {self._name}")

    async def release(self) -> None:
        with reaching_keys():
            await self._leases.delete_one({"_id": self._name, "holder": self._holder})
