"""`domain.policy.resolving.Relations` on MongoDB: ties of actors, kept in the process for as long as nothing changed.

Every write that changes the ties of an actor counts in its own transaction (`statements`), in a counter of its own process, so
that writers do not wait for each other. A request asks for the counters of its actors: one look-up that all waiting requests
share, answered from an index. Only when they differ are the ties themselves read again. The counters are read before the
ties, so what is kept is never older than it is taken for.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Self

import msgspec

from domain.errors import Unavailable
from domain.policy.standing import Held
from domain.ties import Provision, Tie
from storage.mongo.batching import Job, OneInFlight
from storage.mongo.client import READ_MS, Database
from storage.mongo.documents import RESOURCES
from storage.mongo.failures import translated
from storage.mongo.lane import Lane
from storage.mongo.oversight_documents import RELATIONS

MOST_ACTORS = 20_000
"""Actors whose ties are kept; a practitioner with 1,000 patients takes about half a megabyte."""
MOST_COUNTERS = 50_000
"""Counters of one batch: 64 at most of each actor."""
OLDEST_SECONDS = 60.0
"""Ties are read again after this long whatever the counters say: background work re-describes without counting."""
_COUNTED = {"_id": 1, "a": 1, "n": 1}
Counts = tuple[tuple[str, int], ...]


class _Kept(NamedTuple):
    counts: Counts
    ties: tuple[Held, ...]
    read: float


class MongoRelations:
    """Ties from one database, while its context is open; close that before the client."""

    def __init__(self, database: Database) -> None:
        self._lane = Lane(database)
        self._resources = database[RESOURCES]
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._batches = OneInFlight[tuple[str, ...], list[tuple[Held, ...]]](self._answer, most=1_000)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._batches.close()
        await self._lane.close()

    async def ties(self, actors: Sequence[str]) -> list[tuple[Held, ...]]:
        """See `domain.policy.resolving.Relations.ties`."""
        return await self._batches.submit(tuple(actors))

    async def _answer(self, jobs: Sequence[Job[tuple[str, ...], list[tuple[Held, ...]]]]) -> None:
        wanted = {actor for job in jobs for actor in job.item}
        with translated("The relations are not known"):
            counts = await self._counts(wanted)
            now = time.monotonic()
            stale = [actor for actor in wanted if not self._holds(actor, counts.get(actor, ()), now)]
            if stale:
                await self._read(stale, counts, now)
        for job in jobs:
            for actor in job.item:
                self._kept.move_to_end(actor)
            job.answer([self._kept[actor].ties for actor in job.item])
        while len(self._kept) > MOST_ACTORS:
            self._kept.popitem(last=False)

    def _holds(self, actor: str, counts: Counts, now: float) -> bool:
        kept = self._kept.get(actor)
        return kept is not None and kept.counts == counts and now - kept.read < OLDEST_SECONDS

    async def _counts(self, actors: Collection[str]) -> dict[str, Counts]:
        found: dict[str, list[tuple[str, int]]] = {}
        # As committed, like the ties: counters that run ahead of them would let old ties pass for new ones.
        rows = await self._lane.find(
            RELATIONS, {"a": {"$in": list(actors)}}, _COUNTED, hint="actor", limit=MOST_COUNTERS, maxTimeMS=READ_MS
        )
        if len(rows) == MOST_COUNTERS:
            raise Unavailable("There are more counters of relations than one answer holds")
        for row in rows:
            found.setdefault(row["a"], []).append((row["_id"], row["n"]))
        return {actor: tuple(sorted(rows)) for actor, rows in found.items()}

    async def _read(self, actors: Sequence[str], counts: Mapping[str, Counts], now: float) -> None:
        """The ties of these actors that have not ended, anew."""
        ended = time.time_ns() // 1_000
        selected = {"ties": {"$elemMatch": {"a": {"$in": list(actors)}, "h": {"$gt": ended}}}}
        present = {"ties.a": {"$exists": True}}
        cursor = self._resources.find(
            {"$and": [selected, present, {"deleted": False}]},
            {"ties": 1, "source": 1},
            hint="ties",
            max_time_ms=READ_MS,
        )
        found: dict[str, list[Held]] = {actor: [] for actor in actors}
        for document in await cursor.to_list():
            for row in document["ties"]:
                if row["a"] in found:
                    found[row["a"]].append(Held(_tie(row), document["_id"], document.get("source")))
        for actor, held in found.items():
            kept = self._kept.get(actor)
            # What is the same stays the same object, so that what was compiled from it stays as well.
            ties = kept.ties if kept is not None and list(kept.ties) == held else tuple(held)
            self._kept[actor] = _Kept(counts.get(actor, ()), ties, now)


def _tie(row: Mapping[str, Any]) -> Tie:
    rule = msgspec.convert(row["c"], Provision) if "c" in row else None
    return Tie(row["a"], row["b"], row["p"], _end(row["l"]), _end(row["h"]), rule)


def _end(value: float) -> int | None:
    return None if isinstance(value, float) else int(value)
