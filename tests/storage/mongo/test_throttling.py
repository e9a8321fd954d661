"""The counters on MongoDB keep the contract, and show no name."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from pymongo import MongoClient

from storage.crypto.keys import Keyring
from storage.mongo.client import Database
from storage.mongo.throttling import MongoCounters
from tests.contracts.break_glass import Clock
from tests.contracts.throttling import TEN, CountersContract


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counters(data: Database, keyring: Keyring, clock: Clock) -> MongoCounters:
    return MongoCounters(data, keyring.service, clock)


class TestMongoCounters(CountersContract):
    pass


async def test_no_name_is_stored(
    counters: MongoCounters, mongo_admin: MongoClient[dict[str, Any]], database: str
) -> None:
    await counters.charge(TEN, "203.0.113.77", used=1, wanted=0)
    (stored,) = mongo_admin[database]["rates"].find()
    assert b"203.0.113" not in bson.encode(stored)
