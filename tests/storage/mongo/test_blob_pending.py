"""Many uploads at a time: few commands, and none of them decides over another's record."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from pymongo import AsyncMongoClient, monitoring

from domain.errors import Gone
from storage.crypto.keys import Keyring
from storage.memory.blob_store import MemoryBlobStore
from storage.mongo.blob_documents import DOOMED
from storage.mongo.blobs import MongoBlobs
from storage.mongo.client import Client, Database, data_database
from tests.contracts.blobs import read, received

NOTES = 40


class Counted(monitoring.CommandListener):
    """The commands that write, by name."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()

    def started(self, event: Any) -> None:
        self.sent[event.command_name] += 1

    def succeeded(self, event: Any) -> None:
        return

    failed = succeeded


async def test_notes_that_arrive_together_share_commands(mongo_uri: str, database: str, keyring: Keyring) -> None:
    await keyring.for_writing(["Patient/p1"])
    counted = Counted()
    client: Client = AsyncMongoClient(mongo_uri, event_listeners=[counted])
    blobs = MongoBlobs(data_database(client, database), keyring, MemoryBlobStore())
    stored = await asyncio.gather(*(received(blobs, f"note {number}".encode()) for number in range(NOTES)))
    await blobs.close()
    assert counted.sent["insert"] <= 3
    assert counted.sent["update"] <= NOTES // 4
    assert [await read(blobs, blob) for blob in stored[:3]] == [b"note 0", b"note 1", b"note 2"]
    await client.close()


async def test_one_that_was_doomed_meanwhile_is_gone_and_the_others_are_stored(
    data: Database, keyring: Keyring
) -> None:
    blobs = MongoBlobs(data, keyring, MemoryBlobStore())
    here = asyncio.Barrier(NOTES + 1)

    async def waiting(number: int) -> AsyncIterator[bytes]:
        yield f"note {number}".encode()
        await here.wait()  # all are announced
        await here.wait()  # one is doomed

    async def dooming() -> None:
        await here.wait()
        one = await data["blobs"].find_one_and_update({"state": "pending"}, {"$set": {"state": DOOMED}})
        assert one is not None
        await here.wait()

    uploads = [
        blobs.receive(waiting(number), patient="p1", content_type="text/plain", limit=100) for number in range(NOTES)
    ]
    *outcomes, _ = await asyncio.gather(*uploads, dooming(), return_exceptions=True)
    refused = [each for each in outcomes if isinstance(each, BaseException)]
    assert [type(each) for each in refused] == [Gone]
    assert await data["blobs"].count_documents({"state": "pending", "whole": True}) == NOTES - 1
    await blobs.close()
