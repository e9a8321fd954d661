"""The in-memory store keeps the contract the domain tests rely on."""

from __future__ import annotations

import pytest

from domain.errors import AuditUnavailable
from storage.memory.audit import MemoryAuditTrail
from storage.memory.revisions import MemoryRevisionStore
from tests.contracts.revision_store import Erase, RevisionStoreContract
from tests.contracts.searching import FoundWordsContract, SearchingContract
from tests.contracts.writes import change, new_key, write


@pytest.fixture
def store() -> MemoryRevisionStore:
    return MemoryRevisionStore()


@pytest.fixture
def erase(store: MemoryRevisionStore) -> Erase:
    async def erase(patient: str) -> None:
        store.erase(patient)

    return erase


class TestMemoryRevisionStore(RevisionStoreContract):
    pass


class TestSearchingInMemory(SearchingContract, FoundWordsContract):
    pass


async def test_a_write_whose_audit_fails_is_not_stored() -> None:
    trail, key = MemoryAuditTrail(), new_key()
    store = MemoryRevisionStore(trail)
    trail.failing = True
    with pytest.raises(AuditUnavailable):
        await store.commit(write(change(key)))
    assert await store.newest(key) is None
    trail.failing = False
    await store.commit(write(change(key)))
    assert len(trail.entries) == 1
