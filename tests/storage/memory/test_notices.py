"""The notices of the in-memory store keep the contract."""

from __future__ import annotations

import pytest

from storage.memory.notices import MemoryNotices
from storage.memory.revisions import MemoryRevisionStore
from tests.contracts.notices import Erase, NoticesContract


@pytest.fixture
def store() -> MemoryRevisionStore:
    return MemoryRevisionStore()


@pytest.fixture
def notices(store: MemoryRevisionStore) -> MemoryNotices:
    return store.notices


@pytest.fixture
def erase(store: MemoryRevisionStore) -> Erase:
    async def erase(patient: str) -> None:
        store.erase(patient)

    return erase


class TestMemoryNotices(NoticesContract):
    pass
