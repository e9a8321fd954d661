"""A store on the real MongoDB, as the program builds it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.crypto.keys import Keyring
from storage.crypto.master_key import MasterKey
from storage.mongo.client import Client, Database, connect, data_database
from storage.mongo.indexes import create_collections
from storage.mongo.revisions import MongoRevisionStore


@pytest.fixture
async def client(mongo_uri: str) -> AsyncIterator[Client]:
    client = connect(mongo_uri)
    yield client
    await client.close()


@pytest.fixture
async def data(client: Client, database: str) -> Database:
    """The data database, with all collections and indexes."""
    found = data_database(client, database)
    await create_collections(found)
    return found


@pytest.fixture
async def keyring(client: Client, database: str, tmp_path: Path) -> AsyncIterator[Keyring]:
    master = MasterKey("local", {"path": str(tmp_path / "master.key")})
    keyring = await Keyring.start(client, master, database=f"{database}_keys")
    yield keyring
    await keyring.close()


@pytest.fixture
async def store(data: Database, keyring: Keyring) -> AsyncIterator[MongoRevisionStore]:
    store = MongoRevisionStore(data, keyring)
    yield store
    await store.close()
