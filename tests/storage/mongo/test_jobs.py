"""Leases and fences of background jobs on the real MongoDB: `storage.mongo.jobs`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from domain.errors import Contention
from domain.jobs import Job
from domain.revision import Described, Description
from domain.search import AnyTerm, SearchQuery
from storage.crypto.keys import Keyring
from storage.mongo.client import Database
from storage.mongo.jobs import MongoJobs
from storage.mongo.revisions import MongoRevisionStore
from tests.contracts.writes import change, code, new_key, write

NOW = datetime.now(UTC).replace(microsecond=0)
LATER = NOW + timedelta(seconds=30)
WHITE = AnyTerm((code("white"),))


@pytest.fixture
def jobs(data: Database, keyring: Keyring) -> MongoJobs:
    return MongoJobs(data, keyring.service.tokens)


def job(name: str, minutes: float = 1) -> Job:
    return Job(name, ("Observation",), NOW - timedelta(minutes=minutes))


async def claimed(jobs: MongoJobs, now: datetime = NOW) -> Job | None:
    return await jobs.claim(before=NOW, now=now, until=now + timedelta(seconds=30))


async def test_a_job_is_stored_once_and_told_as_it_is(jobs: MongoJobs) -> None:
    assert await jobs.enqueue(job("p.1")) == job("p.1")
    assert (await jobs.enqueue(job("p.1", minutes=9))).created == job("p.1").created
    assert await jobs.get("p.1") == job("p.1")
    assert await jobs.get("p.2") is None
    assert await jobs.get("runner") is None


async def test_one_job_runs_at_a_time_the_oldest_first(jobs: MongoJobs) -> None:
    for name, minutes in (("new", 1), ("old", 5)):
        await jobs.enqueue(job(name, minutes))
    winners = [found for found in await asyncio.gather(*(claimed(jobs) for _ in range(8))) if found is not None]
    assert [found.id for found in winners] == ["old"]
    assert await jobs.step(msgspec.structs.replace(winners[0], state="completed", updated=NOW), [], until=LATER)
    following = await claimed(jobs, NOW + timedelta(seconds=1))
    assert following is not None
    assert following.id == "new"


async def test_a_job_that_has_to_settle_is_not_claimed_yet(jobs: MongoJobs) -> None:
    await jobs.enqueue(job("young", minutes=-1))
    assert await claimed(jobs) is None


async def test_a_silent_holder_is_succeeded_where_it_stopped_and_shut_out(
    jobs: MongoJobs, store: MongoRevisionStore
) -> None:
    await jobs.enqueue(job("p.1"))
    first = await claimed(jobs)
    assert first is not None
    halfway = msgspec.structs.replace(first, cursor="Observation/b", done=7, updated=NOW)
    assert await jobs.step(halfway, [], until=LATER)
    assert await claimed(jobs, NOW + timedelta(seconds=20)) is None
    second = await claimed(jobs, NOW + timedelta(seconds=31))
    assert second is not None
    assert (second.cursor, second.done, second.fence > first.fence) == ("Observation/b", 7, True)

    key = new_key()
    await store.commit(write(change(key, terms=(code("white"),))))
    stored = await store.newest(key)
    assert stored is not None
    blank = [Described(stored.head, Description())]
    with pytest.raises(Contention):
        await jobs.step(msgspec.structs.replace(halfway, cursor="Observation/z"), blank, until=LATER)
    assert (await jobs.get("p.1")) == second
    assert (await store.find(SearchQuery("Observation", (WHITE,)))).total == 1


async def test_a_step_describes_what_is_still_newest_and_makes_no_version(
    jobs: MongoJobs, store: MongoRevisionStore
) -> None:
    await jobs.enqueue(job("p.1"))
    running = await claimed(jobs)
    assert running is not None
    kept, overtaken = new_key(), new_key()
    for key in (kept, overtaken):
        await store.commit(write(change(key, terms=(code("black"),))))
    seen = [one for one in await store.newest_of([kept, overtaken]) if one is not None]
    await store.commit(write(change(overtaken, seen[1], terms=(code("newer"),))))
    described = [Described(one.head, Description(terms=(code("white"),))) for one in seen]
    assert await jobs.step(running, described, until=LATER)
    page = await store.find(SearchQuery("Observation", (WHITE,)))
    assert [one.head.key for one in page.matches] == [kept]
    assert page.matches[0].head.version == 1
    assert (await store.find(SearchQuery("Observation", (AnyTerm((code("newer"),)),)))).total == 1
    assert (await store.find(SearchQuery("Observation", (AnyTerm((code("black"),)),)))).total == 0


async def test_a_failed_job_is_queued_again_and_no_other(jobs: MongoJobs) -> None:
    await jobs.enqueue(job("p.1"))
    running = await claimed(jobs)
    assert running is not None
    await jobs.retry("p.1")
    assert await jobs.get("p.1") == running
    await jobs.step(msgspec.structs.replace(running, state="failed", problem="x", updated=NOW), [], until=LATER)
    await jobs.retry("p.1")
    found = await jobs.get("p.1")
    assert found is not None
    assert (found.state, found.problem) == ("queued", None)
