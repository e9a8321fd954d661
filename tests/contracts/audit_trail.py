"""What every `AuditTrail` does. Inherit it and provide the fixtures `trail` and `recorded` (all request ids so far)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from domain.ports import AuditTrail
from tests.contracts.writes import entry

Recorded = Callable[[], Awaitable[list[str]]]


class AuditTrailContract:
    async def test_an_entry_is_there_when_record_returns(self, trail: AuditTrail, recorded: Recorded) -> None:
        one = entry("read", targets=("Patient/1",), query="name=Chalmers")
        await trail.record(one)
        assert await recorded() == [one.request_id]

    async def test_concurrent_entries_are_all_stored_in_order_and_once(
        self, trail: AuditTrail, recorded: Recorded
    ) -> None:
        entries = [entry("read") for _ in range(200)]
        await asyncio.gather(*(trail.record(one) for one in entries))
        assert await recorded() == [one.request_id for one in entries]

    async def test_a_caller_that_gives_up_takes_no_other_with_it(self, trail: AuditTrail, recorded: Recorded) -> None:
        entries = [entry("read") for _ in range(20)]
        tasks = [asyncio.create_task(trail.record(one)) for one in entries]
        await asyncio.sleep(0)
        tasks[7].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [result for number, result in enumerate(results) if number != 7] == [None] * 19
        others = {one.request_id for number, one in enumerate(entries) if number != 7}
        assert others <= set(await recorded())
