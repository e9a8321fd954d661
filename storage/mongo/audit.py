"""The audit trail on MongoDB: entries of reads, searches and refused requests, many in one durable insert.

Entries of writes are stored by `storage/mongo/commits.py`, inside the transaction of what they report. Contract:
`domain.ports.AuditTrail`. A caller waits for the batch its entry is in, a few milliseconds under load.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from bson.raw_bson import RawBSONDocument
from pymongo.errors import PyMongoError

from domain.audit import AuditEntry
from domain.errors import AuditUnavailable, Unavailable
from storage.crypto.keys import Keyring
from storage.mongo.batching import Job, OneInFlight
from storage.mongo.chains import AuditChain
from storage.mongo.client import Database
from storage.mongo.documents import AUDIT, HEADS

MOST_ENTRIES = 1_000
HEAVIEST_BYTES = 8_000_000
LANES = 2
"""Inserts in flight, see `commits.LANES`."""

AuditJob = Job[AuditEntry, None]


class MongoAuditTrail:
    """`domain.ports.AuditTrail`. `close` it before the client."""

    def __init__(self, database: Database, keyring: Keyring, *, lanes: int = LANES) -> None:
        self._entries = database[AUDIT]
        self._chains = [AuditChain(database[HEADS], keyring, "r") for _ in range(lanes)]
        self._lanes = [
            OneInFlight[AuditEntry, None](
                partial(self._store, chain), most=MOST_ENTRIES, heaviest=HEAVIEST_BYTES, weigh=_weight
            )
            for chain in self._chains
        ]

    async def record(self, entry: AuditEntry) -> None:
        try:
            await min(self._lanes, key=_load).submit(entry)
        except AuditUnavailable:
            raise
        except Unavailable as error:
            raise AuditUnavailable(error.message) from None

    async def close(self) -> None:
        """Store what waits, then the chain's last head."""
        for lane in self._lanes:
            await lane.close()
        for chain in self._chains:
            # Where it fails the head of a second ago stays; `verify` accepts entries that follow it.
            with suppress(PyMongoError):
                await chain.close()

    async def _store(self, chain: AuditChain, jobs: Sequence[AuditJob]) -> None:
        entries = [job.item for job in jobs]
        try:
            links = await chain.link(entries)
            await self._entries.insert_many([RawBSONDocument(raw) for raw in links.documents])
        except (PyMongoError, Unavailable) as error:
            chain.abandon()
            # `from None`: a driver's write error quotes the documents.
            raise AuditUnavailable(f"The audit record cannot be stored ({type(error).__name__})") from None
        chain.stored(links)
        for job in jobs:
            job.answer(None)


def _load(lane: OneInFlight[AuditEntry, None]) -> int:
    return lane.waiting


def _weight(entry: AuditEntry) -> int:
    return 500 + 40 * (len(entry.targets) + len(entry.patients)) + len(entry.query or "")
