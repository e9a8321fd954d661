"""What every request of a person asks before anything else, in one command for all requests that wait.

Two things must be as they are now, on every process, at every request: the session with its account, and the counters that tell
whether the relations of its people and places changed. Asked apart they were two of the four commands of a read.
Whoever asks gets an answer to a command that was sent after they asked, so nothing that was acknowledged before is missed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias

from domain.errors import Unavailable
from domain.sessions import Present
from storage.mongo.account_documents import ACCOUNTS, STANDING_FIELDS, standing_of
from storage.mongo.batching import Job, OneInFlight
from storage.mongo.client import READ_MS, Database, Document
from storage.mongo.failures import translated
from storage.mongo.lane import Lane
from storage.mongo.oversight_documents import RELATIONS
from storage.mongo.session_documents import SESSIONS, live, session_of

MOST_ASKED = 1_000
MOST_COUNTERS = 50_000
"""Counters of one batch: 64 at most of each actor."""
Counts: TypeAlias = tuple[tuple[str, int], ...]
"""The counters of an actor, by name."""
_NO_COUNTS: Counts = ()


class Asked(NamedTuple):
    """A session of an account, or actors whose counters are wanted."""

    session: str | None = None
    account: str | None = None
    actors: Sequence[str] = ()


class Known(NamedTuple):
    """The answer to a whole batch. Sessions that are over, or whose account is not active or not asked for, are absent."""

    sessions: Mapping[str, Present]
    counts: Mapping[str, Counts]

    def count_of(self, actor: str) -> Counts:
        return self.counts.get(actor, _NO_COUNTS)


class Presence:
    """Sessions and counters of one database. `close` it before the client."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._lane = Lane(database)
        self._clock = clock
        self._batches = OneInFlight[Asked, Known](self._answer, most=MOST_ASKED)

    async def close(self) -> None:
        await self._batches.close()
        await self._lane.close()

    async def session(self, session_id: str, account: str) -> Present | None:
        """The live session of that account, with its standing while it is active. Raises `Unavailable`."""
        present = (await self._batches.submit(Asked(session_id, account))).sessions.get(session_id)
        return present if present is not None and present.standing.id == account else None

    async def counts(self, actors: Sequence[str]) -> Known:
        """The counters of these actors. Raises `Unavailable`."""
        return await self._batches.submit(Asked(actors=actors))

    async def _answer(self, jobs: Sequence[Job[Asked, Known]]) -> None:
        sessions = {job.item.session for job in jobs if job.item.session is not None}
        accounts = {job.item.account for job in jobs if job.item.account is not None}
        actors = {actor for job in jobs for actor in job.item.actors}
        with translated("Who asks, and for whom, is not known"):
            rows = await self._rows(list(sessions), list(accounts), list(actors))
        standings = {row["_id"]: standing_of(row) for row in rows if "status" in row}
        present: dict[str, Present] = {}
        counters: dict[str, list[tuple[str, int]]] = {}
        for row in rows:
            if "a" in row:
                counters.setdefault(row["a"], []).append((row["_id"], row["n"]))
            elif "account" in row:
                standing = standings.get(row["account"])
                if standing is not None and standing.active:
                    present[row["_id"]] = Present(session_of(row), standing)
        if sum(map(len, counters.values())) >= MOST_COUNTERS:
            raise Unavailable("There are more counters of relations than one answer holds")
        known = Known(present, {actor: tuple(sorted(rows)) for actor, rows in counters.items()})
        for job in jobs:
            job.answer(known)

    async def _rows(self, sessions: Sequence[str], accounts: Sequence[str], actors: Sequence[str]) -> list[Document]:
        counted: Document = {"a": {"$in": actors}}
        if not sessions:
            return await self._lane.find(
                RELATIONS, counted, _COUNTED, hint="actor", limit=MOST_COUNTERS, maxTimeMS=READ_MS
            )
        # Each request says whose session it is: a `$lookup` of the account would cost the database half as much again.
        holders = [{"$match": {"_id": {"$in": accounts}}}, {"$project": STANDING_FIELDS}]
        pipeline = [
            {"$match": live(self._clock(), _id={"$in": sessions})},
            {"$project": _CHECKED},
            {"$unionWith": {"coll": ACCOUNTS, "pipeline": holders}},
        ]
        if actors:
            counters = [{"$match": counted}, {"$limit": MOST_COUNTERS}, {"$project": _COUNTED}]
            pipeline.append({"$unionWith": {"coll": RELATIONS, "pipeline": counters}})
        return await self._lane.aggregate(SESSIONS, pipeline, maxTimeMS=READ_MS)


_COUNTED = {"_id": 1, "a": 1, "n": 1}
_CHECKED = dict.fromkeys(
    (
        "account",
        "client",
        "scope",
        "patient",
        "authenticated_at",
        "second_factor_at",
        "created",
        "last_used",
        "expires",
    ),
    1,
)
"""What a request needs of its session: neither the digest nor the label."""
