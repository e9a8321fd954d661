"""The audit trail on MongoDB: entries of reads, searches and refused requests, many in one durable insert.

Entries of writes are stored by `storage/mongo/commits.py`, inside the transaction of what they report. Contract:
`domain.ports.AuditTrail`. A caller waits for the batch its entry is in, a few milliseconds under load.
"""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.errors import PyMongoError

from domain.audit import AuditEntry
from domain.errors import AuditUnavailable, Unavailable
from storage.crypto.keys import Keyring
from storage.mongo.batching import Job, OneInFlight
from storage.mongo.chains import AuditChain
from storage.mongo.client import Database
from storage.mongo.documents import AUDIT, HEADS
from storage.mongo.lane import Lane

MOST_ENTRIES = 1_000
HEAVIEST_BYTES = 8_000_000

AuditJob = Job[AuditEntry, None]


class MongoAuditTrail:
    """`domain.ports.AuditTrail`. `close` it before the client."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._lane = Lane(database)
        self._chain = AuditChain(database[HEADS], keyring, "r")
        self._batches = OneInFlight(self._store, most=MOST_ENTRIES, heaviest=HEAVIEST_BYTES, weigh=_weight)

    async def record(self, entry: AuditEntry) -> None:
        try:
            await self._batches.submit(entry)
        except AuditUnavailable:
            raise
        except Unavailable as error:
            raise AuditUnavailable(error.message) from None

    async def close(self) -> None:
        """Store what waits, then the chain's last head."""
        await self._batches.close()
        await self._lane.close()
        try:
            await self._chain.close()
        except PyMongoError:
            # The head of a second ago stays; `verify` accepts entries that follow it.
            return

    async def _store(self, jobs: Sequence[AuditJob]) -> None:
        entries = [job.item for job in jobs]
        try:
            links = await self._chain.link(entries)
            await self._lane.insert(AUDIT, links.documents)
        except (PyMongoError, Unavailable) as error:
            self._chain.abandon()
            # `from None`: a driver's write error quotes the documents.
            raise AuditUnavailable(f"The audit record cannot be stored ({type(error).__name__})") from None
        self._chain.stored(links)
        for job in jobs:
            job.answer(None)


def _weight(entry: AuditEntry) -> int:
    return 500 + 40 * (len(entry.targets) + len(entry.patients)) + len(entry.query or "")
