"""What every request of a person asks before anything else, in one command for all requests that wait.

Two things must be as they are now, on every process, at every request: the session with its account, and the relations of its
people and places. Both are kept in the process, and asked for is only whether they changed: the counters that whoever changes
them raises (`storage/mongo/counters.py`), one range of one small index. Whoever asks gets an answer to a command that was sent
after they asked, so nothing that was acknowledged before is missed. Counters are read before what they stand for, so what is
kept is never older than it is taken for.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias

from domain.errors import Unavailable
from domain.grounds import Grounds
from domain.sessions import Present
from storage.mongo.account_documents import ACCOUNTS, STANDING_FIELDS, standing_of
from storage.mongo.batching import Job, OneInFlight
from storage.mongo.client import READ_MS, Database, Document
from storage.mongo.counters import actor_of
from storage.mongo.failures import translated
from storage.mongo.lane import Lane
from storage.mongo.oversight_documents import RELATIONS
from storage.mongo.session_documents import SESSIONS, live, session_of

MOST_ASKED = 1_000
MOST_COUNTERS = 50_000
"""Counters of one batch: 64 at most of each actor."""
MOST_SESSIONS = 20_000
OLDEST_SECONDS = 60.0
"""A session is read again after this long whatever the counters say: somebody may have changed the database by hand."""
Counts: TypeAlias = tuple[tuple[str, int], ...]
"""The counters of an actor, by name."""
_NO_COUNTS: Counts = ()
_UNKNOWN = "Who asks, and for whom, is not known"


class Known(NamedTuple):
    """The counters that one command told."""

    counts: Mapping[str, Counts]

    def count_of(self, actor: str) -> Counts:
        return self.counts.get(actor, _NO_COUNTS)


class _Named(NamedTuple):
    session: str
    account: str


class _Kept(NamedTuple):
    present: Present
    counts: Counts
    until: datetime
    read: float


class Presence:
    """Sessions and counters of one database. `close` it before the client."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._lane = Lane(database)
        self._sessions_lane = Lane(database)
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._batches = OneInFlight[Sequence[str], Known](self._answer, most=MOST_ASKED)
        self._sessions = OneInFlight[_Named, tuple[Present, datetime] | None](self._find, most=MOST_ASKED)

    async def close(self) -> None:
        for batches in (self._batches, self._sessions):
            await batches.close()
        for lane in (self._lane, self._sessions_lane):
            await lane.close()

    async def still(self, grounds: Grounds) -> bool:
        """Whether what was made out on these grounds is so now. Raises `Unavailable`."""
        if not grounds.complete or self._clock().timestamp() >= grounds.until:
            return False
        known = await self._batches.submit(tuple(grounds.marks))
        return all(known.count_of(name) == counts for name, counts in grounds.marks.items())

    async def session(self, session_id: str, account: str, grounds: Grounds | None = None) -> Present | None:
        """The live session of that account, with its standing while it is active. Raises `Unavailable`."""
        actor = actor_of(account)
        counts = (await self.counts((actor,))).count_of(actor)
        kept = await self._session(session_id, account, counts)
        if kept is not None and grounds is not None:
            grounds.rest_on(actor, counts)
            grounds.end(kept.until.timestamp())
            grounds.end(self._clock().timestamp() + kept.read + OLDEST_SECONDS - time.monotonic())
        return None if kept is None else kept.present

    async def _session(self, session_id: str, account: str, counts: Counts) -> _Kept | None:
        """What is kept of a session if that is good under these counters, else what is stored."""
        kept, now = self._kept.get(session_id), time.monotonic()
        same = kept is not None and kept.counts == counts and kept.present.standing.id == account
        if same and kept is not None and now - kept.read < OLDEST_SECONDS and self._clock() < kept.until:
            return kept
        found = await self._sessions.submit(_Named(session_id, account))
        if found is None:
            self._kept.pop(session_id, None)
            return None
        kept = self._kept[session_id] = _Kept(found[0], counts, found[1], now)
        self._kept.move_to_end(session_id)
        if len(self._kept) > MOST_SESSIONS:
            self._kept.popitem(last=False)
        return kept

    async def counts(self, actors: Sequence[str]) -> Known:
        """The counters of these actors. Raises `Unavailable`."""
        return await self._batches.submit(actors)

    async def _answer(self, jobs: Sequence[Job[Sequence[str], Known]]) -> None:
        actors = list({actor for job in jobs for actor in job.item})
        with translated(_UNKNOWN):
            rows = await self._counters(actors)
        if len(rows) >= MOST_COUNTERS:
            raise Unavailable("There are more counters of relations than one answer holds")
        counters: dict[str, list[tuple[str, int]]] = {}
        for row in rows:
            counters.setdefault(row["a"], []).append((row["_id"], row["n"]))
        known = Known({actor: tuple(sorted(found)) for actor, found in counters.items()})
        for job in jobs:
            job.answer(known)

    async def _counters(self, actors: Sequence[str]) -> list[Document]:
        return await self._lane.find(
            RELATIONS, {"a": {"$in": actors}}, _COUNTED, hint="actor", limit=MOST_COUNTERS, maxTimeMS=READ_MS
        )

    async def _find(self, jobs: Sequence[Job[_Named, tuple[Present, datetime] | None]]) -> None:
        sessions, accounts = {job.item.session for job in jobs}, {job.item.account for job in jobs}
        # Each request says whose session it is: a `$lookup` of the account would cost the database half as much again.
        holders = [{"$match": {"_id": {"$in": list(accounts)}}}, {"$project": STANDING_FIELDS}]
        pipeline = [
            {"$match": live(self._clock(), _id={"$in": list(sessions)})},
            {"$project": _CHECKED},
            {"$unionWith": {"coll": ACCOUNTS, "pipeline": holders}},
        ]
        with translated(_UNKNOWN):
            rows = await self._sessions_lane.aggregate(SESSIONS, pipeline, maxTimeMS=READ_MS)
        standings = {row["_id"]: standing_of(row) for row in rows if "status" in row}
        found = {row["_id"]: row for row in rows if "account" in row}
        for job in jobs:
            row, standing = found.get(job.item.session), standings.get(job.item.account)
            if row is None or standing is None or not standing.active or row["account"] != standing.id:
                job.answer(None)
            else:
                job.answer((Present(session_of(row), standing), min(row["expires"], row["idle_until"])))


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
        "idle_until",
        "expires",
    ),
    1,
)
"""What a request needs of its session: neither the digest nor the label."""
