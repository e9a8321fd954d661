"""What every `Counters` does. Inherit it and provide the fixtures `counters` and `clock` (`clock.now` is what it reads)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from domain.throttling import Charged, Counters, Policy
from tests.contracts.break_glass import START, Clock

TEN = Policy("ten", 10)


class CountersContract:
    async def test_what_was_used_counts_and_what_is_wanted_is_granted_while_something_is_left(
        self, counters: Counters
    ) -> None:
        assert await counters.charge(TEN, "a", used=4, wanted=3) == Charged(3, 7, 70)
        assert await counters.charge(TEN, "a", used=0, wanted=5) == Charged(3, 10, 70)
        assert await counters.charge(TEN, "a", used=2, wanted=5) == Charged(0, 12, 70)

    async def test_names_and_policies_are_counted_apart(self, counters: Counters) -> None:
        await counters.charge(TEN, "a", used=10, wanted=0)
        assert (await counters.charge(TEN, "b", used=0, wanted=1)).granted == 1
        assert (await counters.charge(Policy("other", 10), "a", used=0, wanted=1)).granted == 1

    async def test_a_request_counts_for_a_minute_and_not_longer_than_the_rest_of_its_slot(
        self, counters: Counters, clock: Clock
    ) -> None:
        await counters.charge(TEN, "a", used=6, wanted=0)
        clock.now = START + timedelta(seconds=30)
        await counters.charge(TEN, "a", used=4, wanted=0)
        clock.now = START + timedelta(seconds=69.9)
        assert (await counters.charge(TEN, "a", used=0, wanted=1)).granted == 0
        clock.now = START + timedelta(seconds=70)
        assert await counters.charge(TEN, "a", used=0, wanted=9) == Charged(6, 10, 30)

    async def test_many_at_once_are_granted_the_limit_and_no_more(self, counters: Counters) -> None:
        answers = await asyncio.gather(*(counters.charge(TEN, "a", used=0, wanted=1) for _ in range(40)))
        assert sum(answer.granted for answer in answers) == 10
