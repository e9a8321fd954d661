"""Notices on MongoDB keep the contract, survive who took them, and say nothing to whoever reads the database."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import bson
import pytest

from storage.crypto.keys import Keyring
from storage.mongo.client import Database
from storage.mongo.notices import MongoNotices
from storage.mongo.revisions import MongoRevisionStore
from tests.contracts.notices import Erase, NoticesContract, caused, notice


@pytest.fixture
def notices(data: Database, keyring: Keyring, store: MongoRevisionStore) -> MongoNotices:
    return MongoNotices(data, keyring, lambda: datetime.now(UTC), store.noticed)


@pytest.fixture
def erase(keyring: Keyring) -> Erase:
    async def erase(patient: str) -> None:
        await keyring.stored.erase(f"Patient/{patient}", datetime.now(UTC))
        keyring.forget(f"Patient/{patient}")

    return erase


class TestMongoNotices(NoticesContract):
    pass


async def test_what_somebody_took_and_never_told_is_taken_again(
    data: Database, keyring: Keyring, store: MongoRevisionStore
) -> None:
    now = datetime.now(UTC)
    mine = MongoNotices(data, keyring, lambda: now, store.noticed)
    await caused(store, notice("one"))
    assert await mine.take() is not None
    later = MongoNotices(data, keyring, lambda: now + timedelta(seconds=31), store.noticed)
    assert await later.take() is not None


async def test_a_row_shows_who_is_told_what_kind_of_thing_and_nothing_else(
    data: Database, store: MongoRevisionStore
) -> None:
    await caused(store, notice("Chalmers", about=("Appointment/9",), patient="ana"))
    row = await data["notices"].find_one({})
    assert row is not None
    raw = bson.encode(row)
    assert b"Chalmers" not in raw
    assert b"Appointment/9" not in raw
    assert row["recipients"] == ["Patient/ana"]


async def test_whoever_waits_for_notices_is_woken_by_a_write(store: MongoRevisionStore, notices: MongoNotices) -> None:
    waiting = asyncio.create_task(notices.arrived(30))
    await asyncio.sleep(0)
    await caused(store, notice("one"))
    await asyncio.wait_for(waiting, 5)
