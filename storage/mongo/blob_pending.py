"""The records of uploads under way: announced before their bytes come, completed when all are there.

Many arrive together, as the notes of one Bundle do, so records are written a batch at a time (`batching.py`): one durable
command for all that wait. Nothing of the state machine of `blobs.py` changes by that: each upload goes on when its own record
is stored, and no batch decides over another's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pymongo import UpdateOne

from domain.errors import Gone
from storage.mongo.batching import Job, OneInFlight
from storage.mongo.blob_documents import PENDING
from storage.mongo.client import READ_MS, Collection
from storage.mongo.failures import translated

MOST = 500


class _Change(NamedTuple):
    blob_id: str
    fields: dict[str, Any]


class PendingRecords:
    """The pending records of one collection. Nothing is left to do when all uploads have ended."""

    def __init__(self, records: Collection) -> None:
        self._records = records
        self._announcing = OneInFlight[dict[str, Any], None](self._announce, most=MOST)
        self._changing = OneInFlight[_Change, bool](self._change, most=MOST)

    async def announce(self, blob_id: str, patient: str | None) -> datetime:
        """Store a pending record: from now on the sweeper knows of the object, should this process die. Since when."""
        at = now()
        record = {"_id": blob_id, "state": PENDING, "patient": patient, "created": at, "at": at, "whole": False}
        await self._announcing.submit(record)
        return at

    async def change(self, blob_id: str, fields: dict[str, Any]) -> None:
        """Set fields of a record. Raises `Gone` when it is not pending any more."""
        if not await self._changing.submit(_Change(blob_id, fields)):
            raise Gone("The patient was erased, or the upload given up, while the document arrived")

    async def _announce(self, jobs: Sequence[Job[dict[str, Any], None]]) -> None:
        with translated("The document cannot be announced to the database"):
            await self._records.insert_many([job.item for job in jobs], ordered=False)
        for job in jobs:
            job.answer(None)

    async def _change(self, jobs: Sequence[Job[_Change, bool]]) -> None:
        changes = [UpdateOne({"_id": job.item.blob_id, "state": PENDING}, {"$set": job.item.fields}) for job in jobs]
        names = [job.item.blob_id for job in jobs]
        with translated("The record of the document cannot be stored"):
            done = await self._records.bulk_write(changes, ordered=False)
            # What was not pending then is not now either: nothing leads back to that state.
            left = set(names) if done.matched_count == len(jobs) else await self._still_pending(names)
        for job in jobs:
            job.answer(job.item.blob_id in left)

    async def _still_pending(self, names: list[str]) -> set[str]:
        selected = {"_id": {"$in": names}, "state": PENDING}
        return {row["_id"] async for row in self._records.find(selected, {"_id": 1}, max_time_ms=READ_MS)}


def now() -> datetime:
    """The time as a date of the database keeps it."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
