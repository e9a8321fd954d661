"""A page from many patients: all keys come with one command. Its time: `tests/benchmarks/test_cold_keys.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from domain.search import AnyTerm, SearchQuery
from storage.crypto.keys import Keyring, patient_owner
from storage.crypto.master_key import MasterKey
from storage.mongo.client import data_database
from storage.mongo.indexes import create_collections
from storage.mongo.revisions import MongoRevisionStore
from tests.contracts.writes import change, code, new_key, write

PATIENTS = 100
PAGE = SearchQuery("Observation", (AnyTerm((code("page"),)),), count=PATIENTS, total="none")


class Commands(CommandListener):
    """The names of the commands sent to one database, while `heard`."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.sent.append((event.database_name, event.command_name))

    def succeeded(self, event: CommandSucceededEvent) -> None: ...

    def failed(self, event: CommandFailedEvent) -> None: ...


class Opened:
    def __init__(self, store: MongoRevisionStore, keyring: Keyring, commands: Commands, keys_database: str) -> None:
        self.store = store
        self.keyring = keyring
        self.commands = commands
        self.keys_database = keys_database

    def forget(self) -> None:
        """No key is at hand any more."""
        for number in range(PATIENTS):
            self.keyring.forget(patient_owner(f"p{number}"))

    async def page(self) -> int:
        """Read one page; how many commands it sent to the key database."""
        self.commands.sent.clear()
        page = await self.store.find(PAGE)
        contents = await self.store.open(page.matches)
        assert [type(content) for content in contents] == [bytes] * PATIENTS
        return sum(name == self.keys_database for name, _ in self.commands.sent)


@pytest.fixture
async def opened(mongo_uri: str, database: str, tmp_path: Path) -> AsyncIterator[Opened]:
    commands = Commands()
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_uri, event_listeners=[commands])
    data = data_database(client, database)
    await create_collections(data)
    master = MasterKey("local", {"path": str(tmp_path / "master.key")})
    keyring = await Keyring.start(client, master, database=f"{database}_keys")
    store = MongoRevisionStore(data, keyring)
    changes = [change(new_key(), terms=(code("page"),), patient=f"p{number}") for number in range(PATIENTS)]
    await store.commit(write(*changes))
    yield Opened(store, keyring, commands, f"{database}_keys")
    await store.close()
    await keyring.close()
    await client.close()


async def test_the_keys_of_a_page_come_with_one_command(opened: Opened) -> None:
    for _ in range(2):
        opened.forget()
        assert await opened.page() == 1
        assert await opened.page() == 0
