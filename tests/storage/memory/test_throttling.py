"""The counters in memory keep the contract."""

from __future__ import annotations

import pytest

from storage.memory.throttling import MemoryCounters
from tests.contracts.break_glass import Clock
from tests.contracts.throttling import CountersContract


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counters(clock: Clock) -> MemoryCounters:
    return MemoryCounters(clock)


class TestMemoryCounters(CountersContract):
    pass
