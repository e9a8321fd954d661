"""Sessions that two processes have kept: whatever ends or changes one is known to both at the next question."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from domain.accounts.account import Account, Credentials
from domain.clients import Client
from domain.errors import Unavailable
from domain.sessions import Grant, Lifetime, Login, RefreshReused
from storage.crypto.keys import Keyring
from storage.mongo.accounts import MongoAccounts
from storage.mongo.client import Database
from storage.mongo.clients import MongoClients
from storage.mongo.counters import actor_of
from storage.mongo.presence import Presence
from storage.mongo.sessions import MongoSessions

HOUR = Lifetime(timedelta(hours=12), timedelta(hours=1))
LOGIN = Login(account="ana", client="app", scope="user/*.rs", authenticated_at=100.0)


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now


class Process(MongoSessions):
    """The sessions as one process knows them; `read` counts how often sessions themselves are read."""

    def __init__(self, data: Database, keyring: Keyring, clock: Clock) -> None:
        self.presence, self.read = Presence(data, clock), 0
        super().__init__(data, keyring, clock, self.presence)
        lane = self.presence._sessions_lane
        aggregate = lane.aggregate

        async def counted(collection: str, pipeline: Sequence[dict[str, object]], **options: object) -> object:
            self.read += 1
            return await aggregate(collection, pipeline, **options)

        lane.aggregate = counted  # type: ignore[assignment, method-assign]

    async def lets_in(self, grant: Grant) -> bool:
        return await self.present(grant.session.id, "ana") is not None


class World(msgspec.Struct):
    data: Database
    accounts: MongoAccounts
    clients: MongoClients
    here: Process
    there: Process
    clock: Clock
    account: Account
    grant: Grant


@pytest.fixture
async def world(data: Database, keyring: Keyring) -> AsyncIterator[World]:
    clock, accounts = Clock(), MongoAccounts(data, keyring)
    clients = MongoClients(data, keyring.service, clock)
    account = Account(
        id="ana",
        email="ana@example.org",
        first_name="Ana",
        last_name="Example",
        status="ACTIVE",
        created=clock.now,
        updated=clock.now,
        roles=("NURSE",),
    )
    await accounts.add(account, Credentials(account="ana"))
    await clients.add(
        Client(
            id="app",
            name="App",
            proof="none",
            grants=("authorization_code",),
            scope="user/*.rs",
            created=clock.now,
            created_by="cli",
        ),
        None,
    )
    here, there = Process(data, keyring, clock), Process(data, keyring, clock)
    grant = await here.open(LOGIN, HOUR)
    for process in (here, there):
        assert await process.lets_in(grant)
    yield World(data, accounts, clients, here, there, clock, account, grant)
    for process in (here, there):
        await process.presence.close()


async def disable(world: World) -> None:
    await world.accounts.replace(
        msgspec.structs.replace(world.account, status="DISABLED", version=world.account.version + 1)
    )


async def replay(world: World) -> None:
    await world.here.refresh(world.grant.refresh_token, client="app")
    with suppress(RefreshReused):
        await world.here.refresh(world.grant.refresh_token, client="app")


ENDINGS: dict[str, Callable[[World], Awaitable[object]]] = {
    "logged out": lambda world: world.here.end(world.grant.session.id, account="ana"),
    "ended by its id": lambda world: world.here.end(world.grant.session.id),
    "every login ended": lambda world: world.here.end_all("ana"),
    "a refresh token came twice": replay,
    "the account disabled": disable,
    "the account removed": lambda world: world.accounts.remove("ana"),
    "the client removed": lambda world: world.clients.remove("app"),
}


@pytest.mark.parametrize("what", ENDINGS)
async def test_whatever_ends_a_session_is_known_to_every_process_at_the_next_question(world: World, what: str) -> None:
    await ENDINGS[what](world)
    assert not await world.here.lets_in(world.grant)
    assert not await world.there.lets_in(world.grant)


async def test_a_session_is_read_once_while_nothing_changes(world: World) -> None:
    other = await world.here.open(LOGIN, HOUR)
    for _ in range(5):
        assert await world.there.lets_in(world.grant)
    assert world.there.read == 1
    assert await world.there.lets_in(other)
    await world.here.end(other.session.id)
    assert await world.there.lets_in(world.grant)
    assert world.there.read == 3


async def test_a_role_given_or_taken_counts_at_the_next_question(world: World) -> None:
    changed = msgspec.structs.replace(world.account, roles=("DOCTOR",), version=world.account.version + 1)
    await world.accounts.replace(changed)
    present = await world.there.present(world.grant.session.id, "ana")
    assert present is not None
    assert present.standing.roles == {"DOCTOR"}


async def test_a_kept_session_ends_by_the_clock_and_goes_on_when_it_was_renewed(world: World) -> None:
    world.clock.now += timedelta(minutes=59)
    renewed = await world.here.refresh(world.grant.refresh_token, client="app")
    world.clock.now += timedelta(minutes=2)
    assert await world.there.lets_in(renewed)
    world.clock.now += timedelta(minutes=59)
    assert not await world.there.lets_in(renewed)


async def test_a_change_by_hand_counts_within_a_minute(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.data["sessions"].update_one({"_id": world.grant.session.id}, {"$set": {"ended": world.clock.now}})
    monkeypatch.setattr("storage.mongo.presence.OLDEST_SECONDS", 0.0)
    assert not await world.there.lets_in(world.grant)


async def test_a_session_that_ended_before_anybody_was_told_is_told_by_the_next_attempt(world: World) -> None:
    """A process that dies between the two has acknowledged nothing; whoever tries again tells everybody."""
    await world.data["sessions"].update_one({"_id": world.grant.session.id}, {"$set": {"ended": world.clock.now}})
    assert not await world.here.end(world.grant.session.id, account="ana")
    assert not await world.there.lets_in(world.grant)


async def test_what_cannot_be_told_is_not_acknowledged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from pymongo.errors import AutoReconnect

    async def fails(*_: object, **__: object) -> None:
        raise AutoReconnect("gone")

    monkeypatch.setattr("storage.mongo.sessions.count", fails)
    with pytest.raises(Unavailable):
        await world.here.end(world.grant.session.id)


async def test_each_change_is_one_more(world: World) -> None:
    before = (await world.here.presence.counts((actor_of("ana"),))).count_of(actor_of("ana"))
    await world.here.end_all("ana")
    after = (await world.here.presence.counts((actor_of("ana"),))).count_of(actor_of("ana"))
    assert sum(n for _, n in after) == sum(n for _, n in before) + 1
