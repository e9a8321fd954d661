"""The MongoDB store keeps the contract, on a real replica set with real keys."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from storage.crypto.keys import Keyring
from tests.contracts.revision_store import Erase, RevisionStoreContract
from tests.contracts.searching import FoundWordsContract, SearchingContract


@pytest.fixture
def erase(keyring: Keyring) -> Erase:
    """Only the key goes: what the current documents look like afterwards is the business of `erasure.py`."""

    async def erase(patient: str) -> None:
        await keyring.stored.erase(f"Patient/{patient}", datetime.now(UTC))
        keyring.forget(f"Patient/{patient}")

    return erase


class TestMongoRevisionStore(RevisionStoreContract):
    pass


class TestSearchingMongo(SearchingContract, FoundWordsContract):
    pass
