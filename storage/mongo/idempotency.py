"""Claims, cells and receipts as read before a write; they are written inside its transaction (`storage/mongo/commits.py`).

All are found by a keyed hash of their name, since a condition may quote an identifier.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.cells import Held
from domain.revision import Receipt
from storage.crypto.service_keys import ServiceKeys
from storage.mongo.client import READ_MS, Database
from storage.mongo.documents import CELLS, CLAIMS, RECEIPTS
from storage.mongo.failures import translated


class Idempotency:
    """Reads what conditional and repeated requests depend on."""

    def __init__(self, database: Database, service: ServiceKeys) -> None:
        self._claims = database[CLAIMS]
        self._cells = database[CELLS]
        self._receipts = database[RECEIPTS]
        self._service = service

    async def claim(self, names: Sequence[str]) -> list[int]:
        """See `domain.ports.RevisionStore.claim`. 0 for a condition nobody relied on in the last day."""
        hashes = [self._service.name_hash("claim", name) for name in names]
        with translated("The database does not answer"):
            cursor = self._claims.find({"_id": {"$in": hashes}}, {"n": 1}, max_time_ms=READ_MS)
            numbers = {document["_id"]: document["n"] for document in await cursor.to_list()}
        return [numbers.get(name, 0) for name in hashes]

    async def cells(self, names: Sequence[str]) -> list[Held]:
        """See `domain.ports.RevisionStore.cells`."""
        hashes = [self._service.name_hash("cell", name) for name in names]
        with translated("The database does not answer"):
            cursor = self._cells.find({"_id": {"$in": hashes}}, max_time_ms=READ_MS)
            known = {each["_id"]: Held(each["n"], each["holder"], each["until"]) for each in await cursor.to_list()}
        return [known.get(name, Held()) for name in hashes]

    async def receipt(self, name: str) -> Receipt | None:
        """See `domain.ports.RevisionStore.receipt`. Kept for a day."""
        hashed = self._service.name_hash("receipt", name)
        with translated("The database does not answer"):
            found = await self._receipts.find_one({"_id": hashed}, max_time_ms=READ_MS)
        if found is None:
            return None
        outcomes = tuple((status, version) for status, version in found["outcomes"])
        return Receipt(name, found["fingerprint"], outcomes)
