"""Commands sent past PyMongo end as PyMongo's would: answered, repeated where that may help, or failed with its errors."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from typing import Any

import bson
import pytest
from pymongo.errors import AutoReconnect, BulkWriteError, ExecutionTimeout, OperationFailure, PyMongoError

from storage.mongo.client import Client, Database
from storage.mongo.documents import AUDIT
from storage.mongo.lane import Lane
from tests.storage.mongo.failpoints import Admin, failing

NUMBERS = range(5_000)
"""More than one answer of an aggregate holds."""
PASSING: dict[str, dict[str, Any]] = {
    "the connection breaks": {"closeConnection": True},
    "the server is no primary": {"errorCode": 13435},
    "the primary steps down": {"errorCode": 189},
    "a host is not reached": {"errorCode": 6},
}


@pytest.fixture
async def lane(data: Database) -> AsyncIterator[Lane]:
    found = Lane(data)
    yield found
    await found.close()


async def test_a_find_gives_what_it_selects(data: Database, lane: Lane) -> None:
    await data["numbers"].insert_many({"_id": n, "even": n % 2 == 0, "other": "x"} for n in range(20))
    found = await lane.find("numbers", {"even": True}, {"even": 1}, limit=3, sort={"_id": -1}, maxTimeMS=5_000)
    assert found == [{"_id": n, "even": True} for n in (18, 16, 14)]


async def test_a_long_answer_comes_whole(data: Database, lane: Lane) -> None:
    await data["numbers"].insert_many({"_id": n} for n in NUMBERS)
    found = await lane.aggregate("numbers", [{"$sort": {"_id": 1}}])
    assert [row["_id"] for row in found] == list(NUMBERS)
    found = await lane.find("numbers", {}, {}, sort={"_id": 1})
    assert [row["_id"] for row in found] == list(NUMBERS)


async def test_what_is_inserted_is_stored_as_those_bytes(data: Database, lane: Lane) -> None:
    documents = [bson.encode({"_id": f"entry-{n}", "n": n}) for n in range(3)]
    await lane.insert(AUDIT, documents)
    raw = data.get_collection(AUDIT, codec_options=bson.CodecOptions(bson.raw_bson.RawBSONDocument))
    assert [row.raw async for row in raw.find(sort=[("_id", 1)])] == documents


@pytest.mark.parametrize("trouble", PASSING)
async def test_a_question_is_repeated_when_that_may_help(
    data: Database, lane: Lane, mongo_admin: Admin, trouble: str
) -> None:
    await data["numbers"].insert_one({"_id": 1})
    assert await lane.find("numbers", {}, {}, limit=1)
    with failing(mongo_admin, "find", times=1, **PASSING[trouble]):
        assert await lane.find("numbers", {}, {}, limit=1)


@pytest.mark.parametrize("trouble", PASSING)
async def test_an_insert_that_is_repeated_is_carried_out_once(
    data: Database, lane: Lane, mongo_admin: Admin, trouble: str
) -> None:
    await lane.insert(AUDIT, [bson.encode({"_id": "first"})])
    with failing(mongo_admin, "insert", times=1, **PASSING[trouble]):
        await lane.insert(AUDIT, [bson.encode({"_id": "second"})])
    assert {row["_id"] async for row in data[AUDIT].find()} == {"first", "second"}


async def test_an_insert_that_was_carried_out_before_its_answer_was_lost_is_not_done_again(
    data: Database, lane: Lane, mongo_admin: Admin
) -> None:
    """The write happens, its confirmation is an error that asks to try again."""
    concern = {"code": 91, "errmsg": "going down"}
    with failing(mongo_admin, "insert", times=1, writeConcernError=concern, errorLabels=["RetryableWriteError"]):
        await lane.insert(AUDIT, [bson.encode({"_id": "once"})])
    assert await data[AUDIT].count_documents({}) == 1


async def test_lasting_trouble_is_told(data: Database, lane: Lane, mongo_admin: Admin) -> None:
    with failing(mongo_admin, "find", closeConnection=True), pytest.raises(AutoReconnect):
        await lane.find("numbers", {}, {}, limit=1)
    with failing(mongo_admin, "insert", errorCode=189), pytest.raises(AutoReconnect):
        await lane.insert(AUDIT, [bson.encode({"_id": 1})])
    assert await lane.find(AUDIT, {}, {}, limit=1) == []


async def test_what_cannot_help_is_not_repeated(data: Database, lane: Lane, mongo_admin: Admin) -> None:
    with failing(mongo_admin, "find", times=1, errorCode=50), pytest.raises(OperationFailure) as refused:
        await lane.find("numbers", {}, {}, limit=1)
    assert refused.value.code == ExecutionTimeout("", 50).code
    with pytest.raises(OperationFailure):
        await lane.find("numbers", {"$nothing": 1}, {}, limit=1)
    assert await lane.find("numbers", {}, {}, limit=1) == []


async def test_an_unconfirmed_write_is_an_error(lane: Lane, mongo_admin: Admin) -> None:
    late = {"code": 64, "errmsg": "waiting for replication timed out"}
    with failing(mongo_admin, "insert", times=1, writeConcernError=late), pytest.raises(PyMongoError):
        await lane.insert(AUDIT, [bson.encode({"_id": 1})])


async def test_a_name_that_is_taken_is_an_error(lane: Lane) -> None:
    await lane.insert(AUDIT, [bson.encode({"_id": 1})])
    with pytest.raises(BulkWriteError):
        await lane.insert(AUDIT, [bson.encode({"_id": 1})])


async def test_who_gives_up_leaves_no_answer_behind_for_the_next(
    data: Database, lane: Lane, mongo_admin: Admin
) -> None:
    await data["numbers"].insert_many({"_id": n} for n in range(2))
    with failing(mongo_admin, "find", times=1, blockConnection=True, blockTimeMS=200):
        asked = asyncio.create_task(lane.find("numbers", {"_id": 0}, {}, limit=1))
        await asyncio.sleep(0.05)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
    assert await lane.find("numbers", {"_id": 1}, {}, limit=1) == [{"_id": 1}]


async def test_news_of_the_servers_bring_another_connection_from_the_pool(
    client: Client, data: Database, lane: Lane
) -> None:
    assert await lane.find("numbers", {}, {}, limit=1) == []
    held = lane._held
    assert await lane.find("numbers", {}, {}, limit=1) == []
    assert lane._held is held
    client._topology._description = copy.copy(client.topology_description)  # As after each sign of life.
    assert await lane.find("numbers", {}, {}, limit=1) == []
    assert lane._held is not held
    assert lane._held is not None
    assert lane._held.topology is client.topology_description


async def test_a_closed_lane_has_given_its_connection_back(client: Client, data: Database) -> None:
    lane = Lane(data)
    assert await lane.find("numbers", {}, {}, limit=1) == []
    (server,) = client._topology._servers.values()
    active = server.pool.active_sockets
    await lane.close()
    assert server.pool.active_sockets == active - 1
