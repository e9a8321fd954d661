"""$reindex: make search parameters of one's own usable, without new versions. A Chartvault operation.

https://hl7.org/fhir/R4/searchparameter.html. Every process files a new parameter for what it writes as soon as it knows
of it; a job then describes again what was there before. A parameter answers searches only when its job is complete, so
that a search never finds a part: until then it counts as unknown.

Nothing is missed: the job starts `SETTLE_SECONDS` after the parameter was stored, when every process has read it
(they look every second), and its second turn repeats what was written since shortly before the first one began.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from domain import access
from domain.errors import Contention, DomainError, InvalidRequest, NotFound
from domain.identity import ResourceKey
from domain.interactions.pacing import Pace
from domain.interactions.parts import Occasion, Parts, opened, present
from domain.jobs import CustomSearch, Job, Jobs
from domain.operations.known_parameters import job_id
from domain.revision import Described, Stored
from domain.search import SearchQuery

SETTLE_SECONDS = 5.0
LEASE_SECONDS = 30.0
STEP = 100
"""Resources per step: one transaction, so that a step collides with few writers."""
TURNS = 2
TRIES = 20


async def work(parts: Parts, jobs: Jobs) -> bool:
    """Carry out one job if there is one to be had; whether there was. Stops without a trace when its lease is lost."""
    now = parts.clock()
    job = await jobs.claim(
        before=now - timedelta(seconds=SETTLE_SECONDS), now=now, until=now + timedelta(seconds=LEASE_SECONDS)
    )
    if job is None:
        return False
    if job.total is None:
        job = msgspec.structs.replace(job, total=await _count(parts, job))
    try:
        while job.state == "running":
            job = await _step(parts, jobs, job)
    except Contention:
        return True
    return True


async def _count(parts: Parts, job: Job) -> int:
    pages = [await parts.store.find(SearchQuery(name, count=0, total="accurate")) for name in job.types]
    return sum(page.total or 0 for page in pages)


async def _step(parts: Parts, jobs: Jobs, job: Job) -> Job:
    """The next resources described again, and the job as it stands after. Raises `Contention` for a lost lease."""
    for _ in range(TRIES):
        stored = await parts.store.walk(types=job.types, since=_since(job), after=job.cursor, count=STEP)
        described = await _described(parts, stored)
        following = _after(job, stored, parts.clock())
        if await jobs.step(following, described, until=parts.clock() + timedelta(seconds=LEASE_SECONDS)):
            return following
    return await _failed(jobs, job, parts.clock())


async def _failed(jobs: Jobs, job: Job, now: datetime) -> Job:
    """Given up for now: a parameter that depends on it stays unusable, `$reindex` tries again."""
    failed = msgspec.structs.replace(job, state="failed", problem="Writers kept colliding with it", updated=now)
    await jobs.step(failed, [], until=now)
    return failed


def _since(job: Job) -> datetime | None:
    """The second turn looks only at what was written since shortly before the first one."""
    if job.turn == 1 or job.started is None:
        return None
    return job.started - timedelta(minutes=1)


def _after(job: Job, stored: list[Stored], now: datetime) -> Job:
    started = job.started or now
    if len(stored) == STEP:
        done = job.done + len(stored)
        return msgspec.structs.replace(job, cursor=str(stored[-1].head.key), done=done, started=started, updated=now)
    done = job.done + len(stored)
    if job.turn < TURNS:
        return msgspec.structs.replace(job, turn=job.turn + 1, cursor="", done=done, started=started, updated=now)
    return msgspec.structs.replace(job, state="completed", done=done, started=started, updated=now)


async def _described(parts: Parts, stored: list[Stored]) -> list[Described]:
    found: list[Described] = []
    pace = Pace()
    for one, content in zip(stored, await parts.store.open(stored), strict=True):
        if isinstance(content, bytes):
            try:
                description = parts.describe.describe(parts.reading.decoded(content), one.head.key)
            except DomainError:
                continue  # Too many values: it would have been refused as a write, so its description stays.
            found.append(Described(one.head, description))
        await pace.step()
    return found


async def request(parts: Parts, occasion: Occasion, jobs: Jobs, custom: CustomSearch, key: ResourceKey | None) -> Job:
    """Queue a job: for the types of one SearchParameter, or (`None`) for every type. Raises `NotFound`, `InvalidRequest`.

    Whoever may change search parameters may have their index made again.
    """
    access.require(occasion.caller, "u", "SearchParameter")
    types: Sequence[str] = parts.search.types()
    if key is not None:
        stored = present(await parts.store.newest(key), key)
        types = custom.types_of(parts.reading.decoded(await opened(parts, stored)))
        if not types:
            raise InvalidRequest("This SearchParameter has no effect here: there is nothing to index")
        await jobs.retry(job_id(stored))
    return await jobs.enqueue(Job(parts.new_id(), tuple(types), parts.clock()))


async def progress(occasion: Occasion, jobs: Jobs, job: str) -> Job:
    """How far a job is. Raises `NotFound`."""
    access.require(occasion.caller, "r", "SearchParameter")
    found = await jobs.get(job)
    if found is None:
        raise NotFound("There is no such job")
    return found


async def readiness(parts: Parts, occasion: Occasion, jobs: Jobs, key: ResourceKey) -> Job:
    """The job that makes the newest version of a SearchParameter usable. Raises `NotFound` when it needs none."""
    access.require(occasion.caller, "r", "SearchParameter")
    stored = present(await parts.store.newest(key), key)
    return await progress(occasion, jobs, job_id(stored))
