"""When MongoDB is gone or slow, callers hear so in bounded time, and the store works again when it is back."""

from __future__ import annotations

import asyncio
import traceback
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from domain.errors import AuditUnavailable, Unavailable
from domain.history_query import HistoryQuery
from domain.search import SearchQuery
from storage.crypto.keys import Keyring
from storage.crypto.master_key import MasterKey
from storage.embedded import EmbeddedMongo
from storage.mongo.audit import MongoAuditTrail
from storage.mongo.client import Database, answers, connect, data_database
from storage.mongo.indexes import create_collections
from storage.mongo.revisions import MongoRevisionStore
from tests.contracts.revision_store import create, text_of
from tests.contracts.writes import change, entry, new_key, write
from tests.storage.mongo.failpoints import Admin, failing


async def test_a_slow_database_is_unavailable(data: Database, store: MongoRevisionStore, mongo_admin: Admin) -> None:
    await create(store, new_key())
    with failing(mongo_admin, "find", errorCode=50), pytest.raises(Unavailable, match="in time"):
        await store.newest(new_key())
    with failing(mongo_admin, "find", errorCode=50), pytest.raises(Unavailable):
        await store.find(SearchQuery("Patient"))
    with failing(mongo_admin, "aggregate", errorCode=50), pytest.raises(Unavailable):
        await store.history(HistoryQuery())
    with failing(mongo_admin, "find", errorCode=50), pytest.raises(Unavailable):
        await store.claim(["a"])
    with failing(mongo_admin, "find", errorCode=50), pytest.raises(Unavailable):
        await store.receipt("a")


async def test_messages_of_failures_quote_no_content(data: Database, trail: MongoAuditTrail) -> None:
    """A refused insert is the driver's most talkative error: it holds the document."""
    await trail.record(entry("read"))
    (first,) = [document["_id"] async for document in data["audit"].find()]
    await data["audit"].insert_one({"_id": first[:-1] + "2"})
    refused = entry("read", targets=("Patient/1",))
    with pytest.raises(AuditUnavailable) as caught:
        await trail.record(refused)
    said = "".join(traceback.format_exception(caught.value))
    assert "BulkWriteError" in said
    assert refused.request_id not in said
    assert "Patient/1" not in said


@pytest.mark.slow
async def test_an_outage_is_reported_in_seconds_and_ends_by_itself(tmp_path: Path) -> None:
    async with AsyncExitStack() as opened:
        server = EmbeddedMongo(tmp_path / "mongodb")
        client = connect(server.start())
        opened.callback(server.stop)
        opened.push_async_callback(client.close)
        data = data_database(client, "chartvault")
        await create_collections(data)
        keyring = await Keyring.start(client, MasterKey("local", {"path": str(tmp_path / "master.key")}))
        opened.push_async_callback(keyring.close)
        store, trail = MongoRevisionStore(data, keyring), MongoAuditTrail(data, keyring)
        opened.push_async_callback(store.close)
        opened.push_async_callback(trail.close)
        key = new_key()
        stored = await create(store, key, text="before")
        server.stop()
        started = asyncio.get_running_loop().time()
        results = await asyncio.gather(
            store.newest(key),
            store.find(SearchQuery(key.type)),
            store.commit(write(change(new_key()))),
            trail.record(entry("read")),
            return_exceptions=True,
        )
        # One search for a server takes 5 s, and nobody waits for two.
        assert asyncio.get_running_loop().time() - started < 9.5
        assert all(isinstance(result, Unavailable) for result in results), results
        assert isinstance(results[3], AuditUnavailable)
        assert not await answers(client)
        assert await text_of(store, stored) == "before", "the key is at hand"
        server.start()
        await create(store, new_key())
        await trail.record(entry("read"))
