"""`domain.throttling.Counters` in memory, for fast tests of the domain. Held to `tests/contracts/throttling.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from domain.throttling import SLOT_SECONDS, SLOTS, Charged, Policy


class MemoryCounters:
    """Slots by policy and name."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._slots: dict[tuple[str, str], Counter[int]] = {}

    async def charge(self, policy: Policy, name: str, *, used: int, wanted: int) -> Charged:
        now = self._clock().timestamp()
        slot = int(now // SLOT_SECONDS)
        slots = self._slots.setdefault((policy.name, name), Counter())
        for old in [each for each in slots if each <= slot - SLOTS]:
            del slots[old]
        granted = max(0, min(wanted, policy.limit - used - slots.total()))
        slots[slot] += used + granted
        oldest = min((each for each, count in slots.items() if count), default=slot)
        return Charged(granted, slots.total(), (oldest + SLOTS) * SLOT_SECONDS - now)
