"""Keyrings over the real MongoDB, with a clock that only moves when told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandListener, CommandStartedEvent

from storage.crypto.keys import Keyring
from storage.crypto.master_key import MasterKey

StartKeyring = Callable[..., Awaitable[Keyring]]


class Commands(CommandListener):
    """Counts the commands a client sends, by name and collection."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.sent.append((event.command_name, event.command.get(event.command_name)))

    def succeeded(self, event: Any) -> None: ...

    def failed(self, event: Any) -> None: ...


class Clock:
    """Monotonic seconds that stand still until `move`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def commands() -> Commands:
    return Commands()


@pytest.fixture
def master(tmp_path: Path) -> MasterKey:
    return MasterKey("local", {"path": str(tmp_path / "master.json")})


@pytest.fixture
async def client(mongo_uri: str, commands: Commands) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
    async with AsyncMongoClient[dict[str, Any]](mongo_uri, event_listeners=[commands], tz_aware=True) as client:
        yield client


@pytest.fixture
async def start_keyring(
    client: AsyncMongoClient[dict[str, Any]], master: MasterKey, database: str, clock: Clock
) -> AsyncIterator[StartKeyring]:
    """Starts keyrings as separate processes would: they share nothing but database and master key file."""
    started: list[Keyring] = []

    async def start(**options: Any) -> Keyring:
        keyring = await Keyring.start(client, master, **{"database": f"{database}_keys", "clock": clock, **options})
        started.append(keyring)
        return keyring

    yield start
    for keyring in started:
        await keyring.close()


@pytest.fixture
async def keyring(start_keyring: StartKeyring) -> Keyring:
    return await start_keyring()
