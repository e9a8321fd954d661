"""Limits over several processes: how many pass, how often the counter is asked, and what a client is told."""

from __future__ import annotations

import asyncio
import random

import pytest

from domain.errors import Throttled, Unavailable
from domain.throttling import Charged, Policy, Throttle
from storage.memory.throttling import MemoryCounters
from tests.contracts.break_glass import START, Clock


class Shared(MemoryCounters):
    """Counters that many processes share: they answer after a while, and count how often they were asked."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.asked = 0
        self.away = False

    async def charge(self, policy: Policy, name: str, *, used: int, wanted: int) -> Charged:
        self.asked += 1
        await asyncio.sleep(random.random() / 500)
        if self.away:
            raise Unavailable("The limits could not be looked up")
        return await super().charge(policy, name, used=used, wanted=wanted)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shared(clock: Clock) -> Shared:
    return Shared(clock)


def processes(shared: Shared, clock: Clock, number: int = 4) -> list[Throttle]:
    return [Throttle(shared, lambda: (clock.now - START).total_seconds() + 1000) for _ in range(number)]


async def passed(throttles: list[Throttle], policy: Policy, requests: int, *, at_once: int) -> int:
    """How many of the requests pass, sent to random processes, so many at a time."""
    gate = asyncio.Semaphore(at_once)

    async def one() -> bool:
        async with gate:
            try:
                await random.choice(throttles).admit(policy, "me")
            except Throttled:
                return False
            await asyncio.sleep(0)
            return True

    return sum(await asyncio.gather(*(one() for _ in range(requests))))


@pytest.mark.parametrize("at_once", [1, 8, 64, 400])
@pytest.mark.parametrize("number", [1, 4])
async def test_a_limit_of_100_lets_between_95_and_110_pass(
    shared: Shared, clock: Clock, number: int, at_once: int
) -> None:
    throttles = processes(shared, clock, number)
    assert 100 <= await passed(throttles, Policy("default", 100), 400, at_once=at_once) <= 110
    assert await passed(throttles, Policy("default", 100), 100, at_once=at_once) <= 4


async def test_a_strict_limit_is_exact(shared: Shared, clock: Clock) -> None:
    strict = Policy("sign-in", 100, strict=True)
    assert await passed(processes(shared, clock), strict, 400, at_once=32) == 100


async def test_most_requests_ask_nobody(shared: Shared, clock: Clock) -> None:
    assert await passed(processes(shared, clock, 1), Policy("default", 60_000), 20_000, at_once=8) == 20_000
    assert shared.asked < 100


async def test_the_limit_is_there_again_a_minute_later(shared: Shared, clock: Clock) -> None:
    throttles, policy = processes(shared, clock), Policy("default", 100)
    await passed(throttles, policy, 200, at_once=8)
    clock.now = clock.now.replace(minute=2)
    assert 100 <= await passed(throttles, policy, 300, at_once=8) <= 110


async def test_who_is_refused_learns_when_to_come_back_and_then_passes(shared: Shared, clock: Clock) -> None:
    (throttle,), policy = processes(shared, clock, 1), Policy("default", 3)
    for _ in range(3):
        await throttle.admit(policy, "me")
    await throttle.close()
    with pytest.raises(Throttled) as refusal:
        await throttle.admit(policy, "me")
    assert 1 <= refusal.value.retry_after <= 70
    clock.now = clock.now.replace(minute=1, second=refusal.value.retry_after - 60)
    await throttle.admit(policy, "me")


async def test_what_is_left_is_told(shared: Shared, clock: Clock) -> None:
    (throttle,) = processes(shared, clock, 1)
    left = []
    for _ in range(5):
        left.append((await throttle.admit(Policy("default", 100), "me")).remaining)
        await asyncio.sleep(0.01)
    assert left == [99, 98, 97, 96, 95]


async def test_without_the_counter_nobody_who_must_wait_passes(shared: Shared, clock: Clock) -> None:
    (throttle,) = processes(shared, clock, 1)
    shared.away = True
    with pytest.raises(Unavailable):
        await throttle.admit(Policy("sign-in", 100, strict=True), "me")
    shared.away = False
    await throttle.admit(Policy("sign-in", 100, strict=True), "me")


async def test_who_gives_up_waiting_takes_nobody_along(shared: Shared, clock: Clock) -> None:
    (throttle,), strict = processes(shared, clock, 1), Policy("sign-in", 100, strict=True)
    tasks = [asyncio.create_task(throttle.admit(strict, "me")) for _ in range(5)]
    await asyncio.sleep(0)
    tasks[2].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(result, BaseException) for result in results] == [False, False, True, False, False]


async def test_the_names_remembered_are_bounded(shared: Shared, clock: Clock) -> None:
    throttle = Throttle(shared, lambda: 1000.0, names=10)
    for number in range(50):
        await throttle.admit(Policy("default", 100), f"name-{number}")
    assert len(throttle._accounts) == 10
    await throttle.close()
