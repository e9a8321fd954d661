"""The grants in memory keep the contract."""

from __future__ import annotations

import pytest

from storage.memory.break_glass import MemoryGrantBook
from tests.contracts.break_glass import Clock, GrantBookContract


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(clock: Clock) -> MemoryGrantBook:
    return MemoryGrantBook(clock)


class TestMemoryGrantBook(GrantBookContract):
    pass
