"""Answers kept for repeated requests with an Idempotency-Key: `api.v1.replays.Replays`.

The first request with a key inserts its row, which is the lock; one that died holding it is succeeded after `HELD`. Names
may quote a person, so they are stored as keyed hashes; answers show one, so they are sealed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from pymongo.errors import DuplicateKeyError

from domain.errors import Contention, IntegrityFailure, RepeatedKey
from storage.crypto.keys import ACCOUNTS, Keyring
from storage.crypto.sealing import open_sealed, place, seal
from storage.mongo.account_documents import REPLAYS
from storage.mongo.client import READ_MS, Database, Document
from storage.mongo.failures import translated

HELD = timedelta(minutes=2)
"""Longer than any request may take."""


class MongoReplays:
    """The kept answers of one database."""

    def __init__(self, database: Database, keyring: Keyring, clock: Callable[[], datetime]) -> None:
        self._replays = database[REPLAYS]
        self._keyring = keyring
        self._clock = clock

    async def begin(self, name: str, fingerprint: bytes) -> bytes | None:
        """See `api.v1.replays.Replays.begin`."""
        identity, now = self._identity(name), self._clock()
        held: Document = {"fingerprint": fingerprint, "at": now}
        with translated("The request could not be noted"):
            try:
                await self._replays.insert_one({"_id": identity, **held})
                return None
            except DuplicateKeyError:
                found = await self._replays.find_one({"_id": identity}, max_time_ms=READ_MS)
            if found is None:
                raise Contention("Another request with this Idempotency-Key has just ended; try again")
            if found["fingerprint"] != fingerprint:
                raise RepeatedKey("This Idempotency-Key was used for a different request")
            if "sealed" in found:
                return await self._opened(found)
            abandoned = {"_id": identity, "sealed": {"$exists": False}, "at": {"$lt": now - HELD}}
            if (await self._replays.update_one(abandoned, {"$set": held})).modified_count:
                return None
        raise Contention("The first request with this Idempotency-Key is still under way")

    async def keep(self, name: str, answer: bytes) -> None:
        """See `api.v1.replays.Replays.keep`."""
        identity = self._identity(name)
        key = (await self._keyring.for_writing([ACCOUNTS]))[ACCOUNTS]
        sealed = seal(key, place(f"replays/{identity.hex()}"), answer)
        with translated("The answer could not be kept"):
            await self._replays.update_one({"_id": identity}, {"$set": {"key": key.id, "sealed": sealed}})

    async def forget(self, name: str) -> None:
        """See `api.v1.replays.Replays.forget`."""
        with translated("The request could not be forgotten"):
            await self._replays.delete_one({"_id": self._identity(name), "sealed": {"$exists": False}})

    def _identity(self, name: str) -> bytes:
        return self._keyring.service.name_hash("replay", name)

    async def _opened(self, found: Document) -> bytes:
        keys = await self._keyring.for_reading([found["key"]])
        if found["key"] not in keys:
            raise IntegrityFailure("The key of a kept answer is missing or damaged")
        return open_sealed(keys[found["key"]], place(f"replays/{found['_id'].hex()}"), found["sealed"])
