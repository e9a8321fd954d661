"""A process that was killed in the middle of a transaction does not keep the others from writing."""

from __future__ import annotations

import asyncio
import time

from storage.mongo.abandoned import IDLE_SECONDS, AbandonedTransactions
from storage.mongo.client import DURABLE, SNAPSHOT, Client, Database, connect
from storage.mongo.revisions import MongoRevisionStore
from tests.contracts.revision_store import create, update
from tests.contracts.writes import new_key


async def test_a_transaction_that_nobody_goes_on_with_is_ended_for_whoever_needs_its_documents(
    data: Database, store: MongoRevisionStore, mongo_uri: str
) -> None:
    key = new_key()
    await create(store, key)
    killed = connect(mongo_uri)
    session = killed.start_session()
    await session.start_transaction(read_concern=SNAPSHOT, write_concern=DURABLE)
    await killed[data.name]["resources"].update_one({"_id": str(key)}, {"$set": {"version": 7}}, session=session)
    began = time.monotonic()
    try:
        assert (await update(store, key, text="two")).head.version == 2
    finally:
        await session.end_session()
        await killed.close()
    assert time.monotonic() - began < IDLE_SECONDS + 4


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
