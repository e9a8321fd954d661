"""A process that was killed in the middle of a transaction does not keep the others from writing."""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import PIPE

from pymongo.asynchronous.client_session import AsyncClientSession

from domain.identity import ResourceKey
from storage.mongo.abandoned import IDLE_SECONDS, AbandonedTransactions
from storage.mongo.client import DURABLE, SNAPSHOT, Client, Database
from storage.mongo.revisions import MongoRevisionStore
from tests.contracts.revision_store import create, update
from tests.contracts.writes import new_key
from tests.deadlines import within


async def hold(data: Database, client: Client, name: str) -> AsyncClientSession:
    """Touch a resource in a transaction that stays open."""
    session = client.start_session()
    await session.start_transaction(read_concern=SNAPSHOT, write_concern=DURABLE)
    await client[data.name]["resources"].update_one({"_id": name}, {"$set": {"version": 7}}, session=session)
    return session


async def updated_within(store: MongoRevisionStore, key: ResourceKey) -> float:
    began = time.monotonic()
    assert (await update(store, key, text="two")).head.version == 2
    return time.monotonic() - began


KILLED = """
import sys
from pymongo import MongoClient

client = MongoClient(sys.argv[1], appname="chartvault")
session = client.start_session()
session.start_transaction()
client[sys.argv[2]]["resources"].update_one({"_id": sys.argv[3]}, {"$set": {"version": 7}}, session=session)
print("holding", flush=True)
sys.stdin.read()
"""


async def test_the_transaction_of_a_killed_process_is_ended_for_whoever_needs_its_documents(
    data: Database, store: MongoRevisionStore, mongo_uri: str
) -> None:
    key = new_key()
    await create(store, key)
    command = [sys.executable, "-c", KILLED, mongo_uri, data.name, str(key)]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    process.kill()
    await process.wait()
    with within(1):
        await updated_within(store, key)


async def test_a_transaction_that_nobody_goes_on_with_is_ended_for_whoever_needs_its_documents(
    data: Database, store: MongoRevisionStore, client: Client
) -> None:
    key = new_key()
    await create(store, key)
    async with await hold(data, client, str(key)):
        with within(IDLE_SECONDS + 4):
            assert await updated_within(store, key) > IDLE_SECONDS


async def test_a_transaction_at_work_is_left_alone_however_long_it_takes(client: Client, data: Database) -> None:
    abandoned = AbandonedTransactions(client)
    async with client.start_session() as session:
        await session.start_transaction(read_concern=SNAPSHOT, write_concern=DURABLE)
        for number in range(5):
            await data["resources"].insert_one({"_id": f"Patient/{number}"}, session=session)
            await asyncio.sleep(IDLE_SECONDS / 4)
            await abandoned.end()
        await session.commit_transaction()
    assert await data["resources"].count_documents({}) == 5
