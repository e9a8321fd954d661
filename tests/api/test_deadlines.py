"""Time limits looked at together end what `asyncio.timeout` would end, and nothing else."""

from __future__ import annotations

import asyncio
import time

import pytest

from api.deadlines import EVERY_SECONDS, Deadlines


async def _work(deadlines: Deadlines, limit: float, seconds: float) -> str:
    with deadlines.within(limit):
        await asyncio.sleep(seconds)
    return "done"


async def test_work_that_is_over_its_limit_ends_soon_after_it() -> None:
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        await _work(Deadlines(), 0.05, 60)
    assert time.monotonic() - started < 0.05 + EVERY_SECONDS + 2


async def test_work_within_its_limit_is_left_alone_whatever_others_do() -> None:
    deadlines = Deadlines()
    works = [_work(deadlines, 0.05, 60), _work(deadlines, 60, 0.6), _work(deadlines, 60, 0)]
    late, slow, fast = await asyncio.gather(*works, return_exceptions=True)
    assert isinstance(late, TimeoutError)
    assert (slow, fast) == ("done", "done")


async def test_limits_are_looked_at_again_after_a_while_without_any() -> None:
    deadlines = Deadlines()
    assert await _work(deadlines, 60, 0) == "done"
    await asyncio.sleep(2 * EVERY_SECONDS)
    with pytest.raises(TimeoutError):
        await _work(deadlines, 0.05, 60)


async def test_a_cancellation_by_somebody_else_stays_one() -> None:
    task = asyncio.create_task(_work(Deadlines(), 60, 60))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_inner_of_two_limits_ends_the_inner_work_alone() -> None:
    deadlines = Deadlines()
    with deadlines.within(60):
        with pytest.raises(TimeoutError):
            await _work(deadlines, 0.05, 60)
        await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_the_outer_of_two_limits_is_told_by_the_outer_one() -> None:
    deadlines = Deadlines()
    inner: list[BaseException] = []

    async def work() -> str:
        try:
            return await _work(deadlines, 60, 60)
        except BaseException as error:
            inner.append(error)
            raise

    with pytest.raises(TimeoutError), deadlines.within(0.05):
        await work()
    assert [type(each) for each in inner] == [asyncio.CancelledError]


async def test_a_failure_of_the_work_is_told_as_it_is() -> None:
    with pytest.raises(ValueError, match="of the work"), Deadlines().within(60):
        raise ValueError("of the work")
