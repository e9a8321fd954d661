"""The batcher alone: who goes when, and who gets which answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from domain.errors import Contention, Unavailable
from storage.mongo.batching import Breath, Job, OneInFlight

IntJob = Job[int, int]


class Rounds:
    """A runner that stops at a gate before it answers each item with its double."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.running = 0
        self.gate = asyncio.Event()

    async def run(self, jobs: Sequence[IntJob]) -> None:
        self.running += 1
        assert self.running == 1, "two batches in flight"
        self.batches.append([job.item for job in jobs])
        await self.gate.wait()
        self.running -= 1
        for job in jobs:
            job.answer(job.item * 2)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def submitted(batches: OneInFlight[int, int], *items: int) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(batches.submit(item)) for item in items]
    await settle()
    return tasks


async def test_a_request_alone_goes_at_once() -> None:
    rounds = Rounds()
    batches = OneInFlight(rounds.run, most=10)
    (task,) = await submitted(batches, 1)
    assert rounds.batches == [[1]]
    rounds.gate.set()
    assert await task == 2


async def test_what_arrives_meanwhile_is_the_next_batch() -> None:
    rounds = Rounds()
    batches = OneInFlight(rounds.run, most=10)
    tasks = await submitted(batches, 1) + await submitted(batches, 2, 3) + await submitted(batches, 4)
    assert rounds.batches == [[1]]
    rounds.gate.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8]
    assert rounds.batches == [[1], [2, 3, 4]]


async def test_a_batch_is_bounded_in_number_and_weight() -> None:
    rounds = Rounds()
    rounds.gate.set()
    batches = OneInFlight(rounds.run, most=3, heaviest=10, weigh=lambda item: item)
    await asyncio.gather(*(batches.submit(item) for item in (1, 1, 1, 1, 6, 5, 99, 1)))
    assert rounds.batches == [[1, 1, 1], [1, 6], [5], [99], [1]]


async def test_a_waiting_caller_that_gives_up_is_not_run() -> None:
    rounds = Rounds()
    batches = OneInFlight(rounds.run, most=10)
    tasks = await submitted(batches, 1, 2, 3)
    later = await submitted(batches, 4, 5)
    later[0].cancel()
    rounds.gate.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6]
    assert await later[1] == 10
    assert rounds.batches == [[1, 2, 3], [5]]


async def test_a_caller_that_gives_up_in_flight_disturbs_no_other() -> None:
    rounds = Rounds()
    batches = OneInFlight(rounds.run, most=10)
    tasks = await submitted(batches, 1, 2, 3)
    tasks[0].cancel()
    await settle()
    rounds.gate.set()
    assert await asyncio.gather(*tasks[1:]) == [4, 6]


async def test_each_job_fails_or_succeeds_by_itself() -> None:
    async def run(jobs: Sequence[IntJob]) -> None:
        for job in jobs:
            if job.item % 2:
                job.fail(Contention("odd"))
            else:
                job.answer(job.item)

    batches = OneInFlight(run, most=10)
    results = await asyncio.gather(*(batches.submit(item) for item in range(4)), return_exceptions=True)
    assert [type(result) for result in results] == [int, Contention, int, Contention]
    assert results[1] is not results[3]


async def test_a_batch_that_breaks_fails_its_jobs_and_not_the_next_batch() -> None:
    async def run(jobs: Sequence[IntJob]) -> None:
        if any(job.item < 0 for job in jobs):
            raise Unavailable("down")
        for job in jobs:
            job.answer(job.item)

    batches = OneInFlight(run, most=2)
    results = await asyncio.gather(*(batches.submit(item) for item in (1, -1, 2, 3)), return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable, Unavailable, int, int]


async def test_what_is_left_unanswered_leads_the_next_batch() -> None:
    seen: list[list[int]] = []

    async def run(jobs: Sequence[IntJob]) -> None:
        seen.append([job.item for job in jobs])
        jobs[0].answer(0)

    batches = OneInFlight(run, most=2)
    await asyncio.gather(*(batches.submit(item) for item in (1, 2, 3)))
    assert seen == [[1, 2], [2, 3], [3]]


async def test_a_job_that_pauses_holds_up_nobody() -> None:
    seen: list[list[int]] = []

    async def run(jobs: Sequence[IntJob]) -> None:
        seen.append([job.item for job in jobs])
        for job in jobs:
            if job.item < 0 and len(seen) < 3:
                job.pause_seconds = 0.02
            else:
                job.answer(job.item)

    batches = OneInFlight(run, most=10)
    slow = asyncio.create_task(batches.submit(-1))
    await settle()
    assert await batches.submit(1) == 1
    assert not slow.done()
    assert await slow == -1
    assert seen == [[-1], [1], [-1]]


async def test_closing_does_not_wait_for_pauses() -> None:
    tries = 0

    async def run(jobs: Sequence[IntJob]) -> None:
        nonlocal tries
        tries += 1
        jobs[0].pause_seconds = 3600.0

    batches = OneInFlight(run, most=10)
    (task,) = await submitted(batches, 1)
    await asyncio.wait_for(batches.close(), 1)
    assert tries == 2
    with pytest.raises(Unavailable):
        await task


async def test_closing_answers_what_was_accepted_and_refuses_the_rest() -> None:
    rounds = Rounds()
    batches = OneInFlight(rounds.run, most=1)
    tasks = await submitted(batches, 1, 2)
    closing = asyncio.create_task(batches.close())
    await settle()
    with pytest.raises(Unavailable, match="shutting down"):
        await batches.submit(3)
    assert not closing.done()
    rounds.gate.set()
    await closing
    assert [task.result() for task in tasks] == [2, 4]


async def test_a_runner_that_is_cancelled_leaves_nobody_waiting() -> None:
    batches = OneInFlight(Rounds().run, most=1)
    tasks = await submitted(batches, 1, 2)
    assert batches._runner is not None
    batches._runner.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable, Unavailable]


async def test_long_work_lets_others_run() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    breath, breaths = Breath(milliseconds=1), 0
    while breaths < 10:
        if breath.due():
            await breath.take()
            breaths += 1
    task.cancel()
    assert turns >= 10
