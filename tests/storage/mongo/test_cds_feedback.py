"""What clinicians did with cards, counted on MongoDB."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from domain.clinic.cds_feedback import Counted, Feedback
from storage.mongo.cds_feedback import MongoFeedbackBook
from storage.mongo.client import Database

ROW = Feedback(
    service="s",
    card="c1",
    alert="a",
    outcome="overridden",
    reason="MONITORED",
    at=datetime(2026, 1, 31, tzinfo=UTC),
    by="x",
)


async def test_each_card_counts_once_with_what_was_said_last(data: Database) -> None:
    book = MongoFeedbackBook(data)
    await book.add([])
    await book.add([ROW, msgspec.structs.replace(ROW, card="c2")])
    await book.add([msgspec.structs.replace(ROW, outcome="accepted", reason=None)])
    assert await book.counted() == [
        Counted(service="s", alert="a", outcome="accepted", reason=None, times=1),
        Counted(service="s", alert="a", outcome="overridden", reason="MONITORED", times=1),
    ]
