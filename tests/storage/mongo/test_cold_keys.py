"""A page from many patients: all keys with one command, and not much slower than with keys at hand."""

from __future__ import annotations

import statistics
import time
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
ROUNDS = 41
RATIO = 3.0
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

    async def page(self, *, cold: bool) -> tuple[float, int]:
        """Milliseconds one page takes, and the commands it sent to the key database."""
        if cold:
            for number in range(PATIENTS):
                self.keyring.forget(patient_owner(f"p{number}"))
        self.commands.sent.clear()
        start = time.perf_counter()
        page = await self.store.find(PAGE)
        contents = await self.store.open(page.matches)
        took = (time.perf_counter() - start) * 1000
        assert [type(content) for content in contents] == [bytes] * PATIENTS
        return took, sum(name == self.keys_database for name, _ in self.commands.sent)


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


async def test_the_keys_of_a_page_come_with_one_command_and_cost_little(
    opened: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    await opened.page(cold=True)
    warm, cold = [], []
    for _ in range(ROUNDS):  # In turns: what else the machine does weighs on both.
        cold.append(await opened.page(cold=True))
        warm.append(await opened.page(cold=False))
    assert {commands for _, commands in warm} == {0}
    assert {commands for _, commands in cold} == {1}
    warm_ms, cold_ms = (statistics.median(took for took, _ in rows) for rows in (warm, cold))
    with capsys.disabled():
        print(
            f"\npage of {PATIENTS} from {PATIENTS} patients: warm {warm_ms:.1f} ms, cold {cold_ms:.1f} ms, {cold_ms / warm_ms:.1f} x"
        )
    assert cold_ms <= RATIO * warm_ms
