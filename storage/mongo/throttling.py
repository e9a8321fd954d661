"""`domain.throttling.Counters` on MongoDB: one document per name and policy, counted in slots of ten seconds.

One atomic update drops the slots that no longer count, decides how many of those that wait may pass, and counts them. The
name, a network address or an account, is stored as a keyed hash. Counters are worth a minute: they are written without
waiting for the journal, and expire.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pymongo import ReturnDocument, WriteConcern
from pymongo.errors import DuplicateKeyError

from domain.errors import Unavailable
from domain.throttling import SLOT_SECONDS, SLOTS, Charged, Policy
from storage.crypto.service_keys import ServiceKeys
from storage.mongo.client import Database, Document
from storage.mongo.failures import translated
from storage.mongo.oversight_documents import RATES

ATTEMPTS = 3
CHARGE_MS = 2_000


class MongoCounters:
    """The counters of one database."""

    def __init__(self, database: Database, service: ServiceKeys, clock: Callable[[], datetime]) -> None:
        self._rates = database[RATES].with_options(write_concern=WriteConcern(w=1))
        self._service = service
        self._clock = clock

    async def charge(self, policy: Policy, name: str, *, used: int, wanted: int) -> Charged:
        """See `domain.throttling.Counters.charge`."""
        key = self._service.name_hash("rate", f"{policy.name}|{name}")
        now = self._clock()
        slot = int(now.timestamp() // SLOT_SECONDS)
        stages = _charge(slot, policy.limit, used, wanted, now)
        with translated("The limits could not be looked up"):
            document = await self._updated(key, stages)
        slots = document["slots"]
        oldest = min((each["i"] for each in slots if each["n"] > 0), default=slot)
        reset = (oldest + SLOTS) * SLOT_SECONDS - now.timestamp()
        return Charged(document["granted"], sum(each["n"] for each in slots), reset)

    async def _updated(self, key: bytes, stages: list[Document]) -> Document:
        for attempt in range(ATTEMPTS):
            try:
                found = await self._rates.find_one_and_update(
                    {"_id": key}, stages, upsert=True, return_document=ReturnDocument.AFTER, maxTimeMS=CHARGE_MS
                )
            except DuplicateKeyError:  # Another process inserted it at the same moment.
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                if found is not None:
                    return found
        raise Unavailable("The limits could not be looked up")


def _charge(slot: int, limit: int, used: int, wanted: int, now: datetime) -> list[Document]:
    """The update: what counts, how many of the wanted pass, and both added to the slot of this moment."""
    counted = {"$filter": {"input": {"$ifNull": ["$slots", []]}, "cond": {"$gt": ["$$this.i", slot - SLOTS]}}}
    left = {"$subtract": [limit - used, {"$sum": "$slots.n"}]}
    others = {"$filter": {"input": "$slots", "cond": {"$ne": ["$$this.i", slot]}}}
    same = {"$filter": {"input": "$slots", "as": "each", "cond": {"$eq": ["$$each.i", slot]}}}
    here = {"$sum": {"$map": {"input": same, "in": "$$this.n"}}}
    this = {"i": slot, "n": {"$add": [used, "$granted", here]}}
    return [
        {"$set": {"slots": counted, "at": now}},
        {"$set": {"granted": {"$max": [0, {"$min": [wanted, left]}]}}},
        {"$set": {"slots": {"$concatArrays": [others, [this]]}}},
    ]
