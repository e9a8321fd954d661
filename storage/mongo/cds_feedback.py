"""`domain.clinic.cds_feedback.FeedbackBook` on MongoDB. Codes only, about no patient: nothing is sealed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

import msgspec
from pymongo import ReplaceOne

from domain.clinic.cds_feedback import Counted, Feedback
from storage.mongo.client import READ_MS, Database, Document
from storage.mongo.failures import translated

CDS_FEEDBACK = "cds_feedback"
_SILENT = "The feedback could not be kept"
_MOST = 1_000


class CdsFeedbackDocument(TypedDict):
    """`cds_feedback`: what a clinician did with one card of a CDS service (`domain/clinic/cds_feedback.py`)."""

    _id: str  # plain: service/card
    service: str  # plain
    card: str  # plain: UUID of the card
    alert: str  # plain: beginning of a hash of two drugs
    outcome: str  # plain
    reason: str | None  # plain: a code
    at: datetime  # plain
    by: str  # plain: account or program


class MongoFeedbackBook:
    """The feedback of one database."""

    def __init__(self, database: Database) -> None:
        self._feedback = database[CDS_FEEDBACK]

    async def add(self, rows: Sequence[Feedback]) -> None:
        """See `FeedbackBook.add`."""
        writes = [
            ReplaceOne({"_id": f"{row.service}/{row.card}"}, msgspec.structs.asdict(row), upsert=True) for row in rows
        ]
        if writes:
            with translated(_SILENT):
                await self._feedback.bulk_write(writes, ordered=False)

    async def counted(self) -> Sequence[Counted]:
        """See `FeedbackBook.counted`."""
        names = ("service", "alert", "outcome", "reason")
        stages: list[Document] = [
            {"$group": {"_id": {name: f"${name}" for name in names}, "times": {"$sum": 1}}},
            {"$sort": {"times": -1, "_id": 1}},
            {"$limit": _MOST},
        ]
        with translated(_SILENT):
            cursor = await self._feedback.aggregate(stages, maxTimeMS=READ_MS)
            rows = await cursor.to_list()
        return [msgspec.convert({**row["_id"], "times": row["times"]}, Counted) for row in rows]
