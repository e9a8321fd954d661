"""The store in memory keeps the contract."""

from __future__ import annotations

import pytest

from storage.memory.blob_store import MemoryBlobStore
from tests.contracts.blob_store import BlobStoreContract, WriteOnceContract


class TestMemory(BlobStoreContract, WriteOnceContract):
    @pytest.fixture
    def store(self) -> MemoryBlobStore:
        return MemoryBlobStore()
