"""The sweeper: after any death of an upload there is no orphan, and nothing that is needed is ever removed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from domain.blobs import Blob
from domain.errors import Contention, Gone, IntegrityFailure, Unavailable
from storage.blobs.naming import new_name
from storage.crypto.keys import Keyring
from storage.memory.blob_store import MemoryBlobStore
from storage.mongo.blob_upkeep import BlobUpkeep
from storage.mongo.blobs import MongoBlobs
from storage.mongo.client import Client, Database
from storage.mongo.erasure import doom_blobs
from storage.mongo.findings import Finding
from storage.mongo.lease import Lease
from storage.mongo.revisions import MongoRevisionStore
from tests.contracts.blobs import MB, publish, read, received

NOW = timedelta(0)
Records = Any


@pytest.fixture
def objects() -> MemoryBlobStore:
    return MemoryBlobStore()


@pytest.fixture
async def blobs(data: Database, keyring: Keyring, objects: MemoryBlobStore) -> AsyncIterator[MongoBlobs]:
    blobs = MongoBlobs(data, keyring, objects)
    yield blobs
    await blobs.close()


@pytest.fixture
def upkeep(blobs: MongoBlobs, database: str) -> BlobUpkeep:
    return BlobUpkeep(blobs, f"{database}_keys", 24.0)


@pytest.fixture
def records(mongo_admin: MongoClient[dict[str, Any]], database: str) -> Records:
    return mongo_admin[database]["blobs"]


async def findings(upkeep: BlobUpkeep) -> list[Finding]:
    return [finding async for finding in upkeep.findings()]


async def published(blobs: MongoBlobs, store: MongoRevisionStore, content: bytes = b"kept", **details: Any) -> Blob:
    blob = await received(blobs, content, **details)
    await publish(store, blob)
    return blob


async def test_what_is_published_or_young_stays(
    blobs: MongoBlobs, upkeep: BlobUpkeep, store: MongoRevisionStore, objects: MemoryBlobStore
) -> None:
    ready, pending = await published(blobs, store), await received(blobs, b"young")
    assert await upkeep.sweep() == (0, 0, 0)
    assert set(objects.contents) == {ready.id, pending.id}
    assert await read(blobs, await blobs.stat(ready.id, patient="p1")) == b"kept"


async def test_an_upload_nobody_published_goes_with_its_record(
    blobs: MongoBlobs, upkeep: BlobUpkeep, store: MongoRevisionStore, objects: MemoryBlobStore, records: Records
) -> None:
    ready, old = await published(blobs, store), await received(blobs, b"old")
    assert await upkeep.sweep(pending_for=NOW) == (1, 1, 1)
    assert set(objects.contents) == {ready.id}
    assert [record["_id"] for record in records.find()] == [ready.id]
    with pytest.raises(Gone):
        await publish(store, old)


async def test_an_upload_that_is_kept_waits_as_long_again(
    blobs: MongoBlobs, upkeep: BlobUpkeep, objects: MemoryBlobStore
) -> None:
    kept, lost = await received(blobs, b"kept"), await received(blobs, b"lost")
    await asyncio.sleep(0.3)
    await blobs.keep([kept])
    await upkeep.sweep(pending_for=timedelta(seconds=0.2))
    assert set(objects.contents) == {kept.id}
    assert lost.id not in objects.contents


async def test_while_an_upload_may_still_write_its_record_stays_and_its_object_goes_twice(
    upkeep: BlobUpkeep, objects: MemoryBlobStore, records: Records, blobs: MongoBlobs
) -> None:
    """A process that hung for longer than a pending record may be silent, and writes when it wakes."""
    one = await received(blobs, b"x")
    records.update_one({"_id": one.id}, {"$set": {"whole": False}})
    assert await upkeep.sweep(pending_for=NOW) == (1, 1, 0)
    objects.contents[one.id] = b"written after the sweep"
    assert await upkeep.sweep(pending_for=NOW) == (0, 1, 0)
    assert objects.contents == {}
    assert await upkeep.sweep(pending_for=NOW, settled_for=NOW) == (0, 1, 1)
    assert records.count_documents({}) == 0


async def test_a_sweep_that_died_is_finished_by_the_next(
    blobs: MongoBlobs, upkeep: BlobUpkeep, objects: MemoryBlobStore, records: Records
) -> None:
    for _ in range(5):
        await received(blobs, b"old")
    left = 3
    delete = objects.delete

    async def dying(name: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Unavailable("the store is away")
        await delete(name)

    objects.delete = dying  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await upkeep.sweep(pending_for=NOW)
    assert len(objects.contents) == 2
    objects.delete = delete  # type: ignore[method-assign]
    assert await upkeep.sweep(pending_for=NOW) == (0, 5, 5)
    assert objects.contents == {}
    assert records.count_documents({}) == 0


async def test_one_process_sweeps_at_a_time(upkeep: BlobUpkeep, client: Client, database: str) -> None:
    lease = Lease(client, f"{database}_keys", "blobs")
    await lease.take()
    with pytest.raises(Contention):
        await upkeep.sweep()
    await upkeep.sweep_in_turn()
    await lease.release()
    await upkeep.sweep()


async def test_an_object_without_a_record_is_named_and_never_removed(
    blobs: MongoBlobs, upkeep: BlobUpkeep, store: MongoRevisionStore, objects: MemoryBlobStore
) -> None:
    await published(blobs, store)
    stray = new_name()
    objects.contents[stray] = b"of a database that was restored"
    await upkeep.sweep(pending_for=NOW, settled_for=NOW)
    (finding,) = await findings(upkeep)
    assert (finding.kind, finding.where) == ("blob", f"object {stray}")
    assert stray in objects.contents


async def test_an_erased_patients_objects_are_removed_and_cannot_be_opened_from_a_backup(
    blobs: MongoBlobs,
    upkeep: BlobUpkeep,
    store: MongoRevisionStore,
    objects: MemoryBlobStore,
    records: Records,
    keyring: Keyring,
    data: Database,
) -> None:
    """D8: whoever restores both the bucket and the records from before has no key for them."""
    lost, kept = await published(blobs, store, patient="gone"), await published(blobs, store, patient="p1")
    bucket, rows = dict(objects.contents), list(records.find({"_id": lost.id}))
    await keyring.stored.erase("Patient/gone", lost.created)
    keyring.forget("Patient/gone")
    await doom_blobs(data, "gone")
    (record,) = records.find({"_id": lost.id})
    assert not {"wrapped", "details", "same", "key"} & set(record)
    assert await upkeep.sweep() == (0, 1, 1)
    assert set(objects.contents) == {kept.id}
    objects.contents.update(bucket)
    records.insert_many(rows)
    with pytest.raises(Gone):
        await blobs.stat(lost.id, patient="gone")
    with pytest.raises(Gone):
        await read(blobs, lost)
    assert await read(blobs, kept) == b"kept"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("flip", "altered"),
        ("flip head", "another one, or its head was altered"),
        ("truncate", "truncated"),
        ("extend", "extended"),
        ("swap", "another one"),
        ("remove", "missing"),
        ("empty", "truncated"),
    ],
)
async def test_the_check_names_what_was_harmed_and_nothing_else(
    blobs: MongoBlobs,
    upkeep: BlobUpkeep,
    store: MongoRevisionStore,
    objects: MemoryBlobStore,
    harm: str,
    said: str,
) -> None:
    content = os.urandom(2 * MB)
    one, two, _ = [await published(blobs, store, content[n:]) for n in (0, 0, 1)]
    stored = objects.contents[one.id]
    harmed = {
        "flip": stored[:-9] + bytes([stored[-9] ^ 1]) + stored[-8:],
        "flip head": bytes([stored[0] ^ 1]) + stored[1:],
        "truncate": stored[:-20_000],
        "extend": stored + b"x",
        "swap": objects.contents[two.id],
        "empty": b"",
    }
    if harm == "remove":
        del objects.contents[one.id]
    else:
        objects.contents[one.id] = harmed[harm]
    (finding,) = await findings(upkeep)
    assert (finding.kind, finding.where) == ("blob", f"blobs/{one.id}")
    assert said in finding.message
    with pytest.raises(IntegrityFailure):
        await read(blobs, one)


async def test_the_check_counts_what_it_read(blobs: MongoBlobs, upkeep: BlobUpkeep, store: MongoRevisionStore) -> None:
    for _ in range(3):
        await published(blobs, store, bytes(700_000))
    counted: dict[str, int] = {}
    assert [one async for one in upkeep.findings(counted.__setitem__)] == []
    assert counted == {"documents": 3, "megabytes": 2, "objects": 3}
