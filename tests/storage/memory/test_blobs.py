"""Blobs in memory keep the contract."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from domain.blobs import Blobs
from storage.memory.blobs import MemoryBlobs
from storage.memory.revisions import MemoryRevisionStore
from tests.contracts.blobs import BlobsContract


class TestMemory(BlobsContract):
    @pytest.fixture
    def blobs(self) -> MemoryBlobs:
        return MemoryBlobs()

    @pytest.fixture
    def revisions(self, blobs: MemoryBlobs) -> MemoryRevisionStore:
        return MemoryRevisionStore(blobs=blobs)

    @pytest.fixture
    def erase(self, revisions: MemoryRevisionStore) -> Callable[[str], Awaitable[None]]:
        async def erase(patient: str) -> None:
            revisions.erase(patient)

        return erase

    async def stored(self, blobs: Blobs) -> list[str]:
        assert isinstance(blobs, MemoryBlobs)
        return list(blobs.contents)
