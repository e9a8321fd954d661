"""`domain.policy.resolving.Relations` on MongoDB: ties of actors, kept in the process for as long as nothing changed.

Every write that changes the ties of an actor counts in its own transaction (`statements`), in a counter of its own process, so
that writers do not wait for each other. A request asks for the counters of its actors (`Presence`). Only when they differ are
the ties themselves read again. The counters are read before the ties, so what is kept is never older than it is taken for.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import msgspec

from domain.grounds import Grounds
from domain.policy.standing import Held
from domain.ties import Provision, Tie
from storage.mongo.batching import Job, OneInFlight
from storage.mongo.client import READ_MS, Database
from storage.mongo.documents import RESOURCES
from storage.mongo.failures import translated
from storage.mongo.presence import Counts, Known, Presence

MOST_ACTORS = 20_000
"""Actors whose ties are kept; a practitioner with 1,000 patients takes about half a megabyte."""
OLDEST_SECONDS = 60.0
"""Ties are read again after this long whatever the counters say: background work re-describes without counting."""


class _Kept(NamedTuple):
    counts: Counts
    ties: tuple[Held, ...]
    read: float


class MongoRelations:
    """Ties from one database, while its context is open; close that before the client."""

    def __init__(self, database: Database, presence: Presence) -> None:
        self._presence = presence
        self._resources = database[RESOURCES]
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._batches = OneInFlight[tuple[str, ...], list[tuple[Held, ...]]](self._answer, most=1_000)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._batches.close()

    async def ties(self, actors: Sequence[str], grounds: Grounds | None = None) -> list[tuple[Held, ...]]:
        """See `domain.policy.resolving.Relations.ties`."""
        known = await self._presence.counts(actors)
        held = self._held(actors, known)
        if held is None:
            if grounds is not None:
                grounds.spoil()  # What is read now may be newer than these counters.
            return await self._batches.submit(tuple(actors))
        if grounds is not None:
            now = time.monotonic()
            for actor in actors:
                grounds.rest_on(actor, known.count_of(actor))
                grounds.end(time.time() + self._kept[actor].read + OLDEST_SECONDS - now)
        return held

    def _held(self, actors: Sequence[str], known: Known) -> list[tuple[Held, ...]] | None:
        """What is kept of all of these, unless one of them has to be read again."""
        now, found = time.monotonic(), []
        for actor in actors:
            kept = self._kept.get(actor)
            if kept is None or kept.counts != known.count_of(actor) or now - kept.read >= OLDEST_SECONDS:
                return None
            self._kept.move_to_end(actor)
            found.append(kept.ties)
        return found

    async def _answer(self, jobs: Sequence[Job[tuple[str, ...], list[tuple[Held, ...]]]]) -> None:
        wanted = list({actor for job in jobs for actor in job.item})
        known = await self._presence.counts(wanted)
        stale = [actor for actor in wanted if self._held((actor,), known) is None]
        with translated("The relations are not known"):
            if stale:
                await self._read(stale, known, time.monotonic())
        for job in jobs:
            job.answer([self._kept[actor].ties for actor in job.item])
        while len(self._kept) > MOST_ACTORS:
            self._kept.popitem(last=False)

    async def _read(self, actors: Sequence[str], known: Known, now: float) -> None:
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
            self._kept[actor] = _Kept(known.count_of(actor), ties, now)


def _tie(row: Mapping[str, Any]) -> Tie:
    rule = msgspec.convert(row["c"], Provision) if "c" in row else None
    return Tie(row["a"], row["b"], row["p"], _end(row["l"]), _end(row["h"]), rule)


def _end(value: float) -> int | None:
    return None if isinstance(value, float) else int(value)
