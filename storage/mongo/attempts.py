"""`domain.accounts.ports.Attempts` on MongoDB: one row per limit that somebody failed at, forgotten after a day without.

Counting and refusing is one command of the database, so that a hundred attempts sent at once are counted like a hundred
sent one after the other. Names hold addresses, so they are stored as keyed hashes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import ReturnDocument, WriteConcern
from pymongo.errors import DuplicateKeyError

from domain.accounts.ports import Limit
from storage.crypto.service_keys import ServiceKeys
from storage.mongo.account_documents import ATTEMPTS
from storage.mongo.client import Database
from storage.mongo.failures import translated

LONGEST_WAIT_SECONDS = 900.0
DAY = timedelta(days=1)


class MongoAttempts:
    """The failed attempts of one database."""

    def __init__(self, database: Database, service: ServiceKeys, clock: Callable[[], datetime]) -> None:
        # Not journaled: a count that a power cut takes with it harms nobody, and every login would wait for two.
        self._attempts = database.get_collection(ATTEMPTS, write_concern=WriteConcern(w=1))
        self._service = service
        self._clock = clock

    async def begin(self, limits: Sequence[Limit]) -> float:
        """See `domain.accounts.ports.Attempts.begin`."""
        with translated("The attempt could not be counted"):
            waits = await asyncio.gather(*(self._count(limit) for limit in limits))
        return max(waits, default=0.0)

    async def succeeded(self, names: Sequence[str]) -> None:
        """See `domain.accounts.ports.Attempts.succeeded`."""
        with translated("The attempts could not be forgotten"):
            await self._attempts.delete_many({"_id": {"$in": [self._identity(name) for name in names]}})

    async def _count(self, limit: Limit) -> float:
        now = self._clock()
        for _ in range(3):
            try:
                row = await self._attempts.find_one_and_update(
                    {"_id": self._identity(limit.name)},
                    _counted(limit, now),
                    upsert=True,
                    return_document=ReturnDocument.AFTER,
                )
            except DuplicateKeyError:  # two made the row at once: now it is there
                continue
            refused: datetime | None = row["refused"] if row else None
            return max(0.0, (refused - now).total_seconds()) if refused is not None else 0.0
        return 1.0

    def _identity(self, name: str) -> bytes:
        return self._service.name_hash("attempts", name)


def _counted(limit: Limit, now: datetime) -> list[dict[str, Any]]:
    """The update: refuse while the wait lasts, else count, and set the wait that follows."""
    waiting = {"$gt": ["$until", now]}
    beyond = {"$subtract": ["$failures", limit.free]}
    seconds = {
        "$switch": {
            "branches": [
                {"case": {"$gte": ["$failures", limit.most]}, "then": DAY.total_seconds()},
                {"case": {"$gt": [beyond, 12]}, "then": LONGEST_WAIT_SECONDS},
                {"case": {"$gt": [beyond, 0]}, "then": {"$min": [LONGEST_WAIT_SECONDS, {"$pow": [2, beyond]}]}},
            ],
            "default": 0,
        }
    }
    # No wait is null and not `now`: an attempt whose clock was read a moment earlier must not find itself waiting.
    until = {"$cond": [{"$gt": [seconds, 0]}, {"$add": [now, {"$multiply": [1000, seconds]}]}, None]}
    return [
        {"$set": {"refused": {"$cond": [waiting, "$until", None]}}},
        {
            "$set": {
                "failures": {"$add": [{"$ifNull": ["$failures", 0]}, {"$cond": [waiting, 0, 1]}]},
                "at": {"$cond": [waiting, {"$ifNull": ["$at", now]}, now]},
            }
        },
        {"$set": {"until": {"$cond": [{"$ne": ["$refused", None]}, "$until", until]}}},
    ]
