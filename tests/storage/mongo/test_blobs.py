"""Blobs on MongoDB keep the contract, over files; and what only sealed bytes and their records can get wrong."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo import MongoClient

from domain.blobs import Blob, Blobs, Span
from domain.errors import Gone, IntegrityFailure, NotFound, Unavailable
from storage.blobs.local import LocalBlobStore
from storage.crypto.keys import Keyring
from storage.memory.blob_store import MemoryBlobStore
from storage.mongo import blobs as module
from storage.mongo.blob_rewrapping import rewrap_blobs
from storage.mongo.blobs import MongoBlobs
from storage.mongo.client import Database
from storage.mongo.revisions import MongoRevisionStore
from tests.contracts.blobs import MB, BlobsContract, Erase, publish, read, received, stream
from tests.storage.mongo.failpoints import failing

CANARY = b"Prosperous Chalmers, born on 25 December"


@pytest.fixture
def erase(keyring: Keyring) -> Erase:
    """Only the key goes: nothing may depend on what is done to the records afterwards."""

    async def erase(patient: str) -> None:
        await keyring.stored.erase(f"Patient/{patient}", datetime.now(UTC))
        keyring.forget(f"Patient/{patient}")

    return erase


@pytest.fixture
def revisions(store: MongoRevisionStore) -> MongoRevisionStore:
    return store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
async def blobs(data: Database, keyring: Keyring, folder: Path) -> AsyncIterator[MongoBlobs]:
    blobs = MongoBlobs(data, keyring, LocalBlobStore(folder))
    yield blobs
    await blobs.close()


class TestMongoBlobs(BlobsContract):
    async def stored(self, blobs: Blobs) -> list[str]:
        assert isinstance(blobs, MongoBlobs)
        await blobs.close()
        return [one.name async for one in blobs.store.objects()]


@pytest.fixture
async def watched(data: Database, keyring: Keyring) -> AsyncIterator[tuple[MongoBlobs, MemoryBlobStore]]:
    """Blobs over a store that tests may look into and alter."""
    objects = MemoryBlobStore()
    blobs = MongoBlobs(data, keyring, objects)
    yield blobs, objects
    await blobs.close()


async def whole(blobs: MongoBlobs, blob: Blob) -> bytes:
    return await read(blobs, await blobs.stat(blob.id, patient=blob.patient))


async def test_neither_object_nor_record_holds_anything_of_content_and_title(
    watched: tuple[MongoBlobs, MemoryBlobStore],
    mongo_admin: MongoClient[dict[str, Any]],
    database: str,
    store: MongoRevisionStore,
) -> None:
    blobs, objects = watched
    title = "Chalmers discharge letter.pdf"
    blob = await blobs.receive(stream(CANARY * 2_000), patient="p1", content_type="x/secret", limit=MB, title=title)
    await publish(store, blob)
    dump = b"".join(bson.encode(row) for row in mongo_admin[database]["blobs"].find())
    dump += b"".join(objects.contents.values()) + "".join(objects.contents).encode()
    assert blob.id.encode() in dump
    for canary in (b"Prosperous", b"Chalmers", b"discharge", b"x/secret", blob.sha1, blob.sha256):
        assert canary not in dump
        assert canary.hex().encode() not in dump


async def test_the_same_content_twice_has_nothing_in_common_for_two_patients(
    watched: tuple[MongoBlobs, MemoryBlobStore], mongo_admin: MongoClient[dict[str, Any]], database: str
) -> None:
    blobs, objects = watched
    for patient in ("p1", "p2"):
        await received(blobs, CANARY * 100, patient=patient)
    one, two = objects.contents.values()
    assert one[:56] != two[:56]
    assert one[56:] != two[56:]
    assert len({bytes(row["same"]) for row in mongo_admin[database]["blobs"].find()}) == 2


@pytest.mark.parametrize("position", [0, 30, 56, 20_000, -1])
async def test_a_flipped_bit_is_refused(watched: tuple[MongoBlobs, MemoryBlobStore], position: int) -> None:
    blobs, objects = watched
    blob = await received(blobs, os.urandom(50_000))
    altered = bytearray(objects.contents[blob.id])
    altered[position] ^= 4
    objects.contents[blob.id] = bytes(altered)
    with pytest.raises(IntegrityFailure):
        await whole(blobs, blob)


@pytest.mark.parametrize("cut", [1, 16, 16_400, 50_000])
async def test_a_truncated_object_is_refused_whatever_part_is_read(
    watched: tuple[MongoBlobs, MemoryBlobStore], cut: int
) -> None:
    blobs, objects = watched
    blob = await received(blobs, os.urandom(50_000))
    objects.contents[blob.id] = objects.contents[blob.id][:-cut]
    for span in (None, Span(0, 1), Span(49_000, 50_000)):
        with pytest.raises(IntegrityFailure, match="truncated"):
            await read(blobs, blob, span)


async def test_an_extended_object_is_refused(watched: tuple[MongoBlobs, MemoryBlobStore]) -> None:
    blobs, objects = watched
    blob = await received(blobs, os.urandom(50_000))
    objects.contents[blob.id] += b"\0"
    with pytest.raises(IntegrityFailure, match="extended"):
        await read(blobs, blob, Span(0, 1))


async def test_another_blobs_object_is_refused(watched: tuple[MongoBlobs, MemoryBlobStore]) -> None:
    blobs, objects = watched
    one, two = await received(blobs, os.urandom(1_000)), await received(blobs, os.urandom(1_000))
    objects.contents[one.id] = objects.contents[two.id]
    with pytest.raises(IntegrityFailure, match="is another one"):
        await whole(blobs, one)
    assert len(await whole(blobs, two)) == 1_000


async def test_a_missing_object_is_damage_not_absence(watched: tuple[MongoBlobs, MemoryBlobStore]) -> None:
    blobs, objects = watched
    blob = await received(blobs, b"x")
    del objects.contents[blob.id]
    with pytest.raises(IntegrityFailure, match="missing"):
        await whole(blobs, blob)


@pytest.mark.parametrize("field", ["size", "patient", "key", "wrapped", "details"])
async def test_an_altered_record_is_refused(
    watched: tuple[MongoBlobs, MemoryBlobStore],
    mongo_admin: MongoClient[dict[str, Any]],
    database: str,
    field: str,
) -> None:
    """As someone would who can write to the database and has no keys: by values of another record, which are genuine."""
    blobs, _ = watched
    mine, other = await received(blobs, b"mine", patient="p1"), await received(blobs, b"others", patient="p2")
    records = mongo_admin[database]["blobs"]
    found = records.find_one({"_id": other.id})
    assert found is not None
    records.update_one({"_id": mine.id}, {"$set": {field: found[field]}})
    with pytest.raises(IntegrityFailure):
        await read(blobs, await blobs.stat(mine.id, patient="p2" if field == "patient" else "p1"))


async def test_a_record_moved_whole_to_another_patient_is_refused(
    watched: tuple[MongoBlobs, MemoryBlobStore], mongo_admin: MongoClient[dict[str, Any]], database: str
) -> None:
    blobs, _ = watched
    victim = await received(blobs, b"secret of p2", patient="p2")
    mongo_admin[database]["blobs"].update_one({"_id": victim.id}, {"$set": {"patient": "p1"}})
    with pytest.raises(IntegrityFailure, match="another patient"):
        await blobs.stat(victim.id, patient="p1")


async def test_an_upload_under_way_is_not_to_be_seen(
    watched: tuple[MongoBlobs, MemoryBlobStore], mongo_admin: MongoClient[dict[str, Any]], database: str
) -> None:
    blobs, _ = watched

    async def looking() -> AsyncIterator[bytes]:
        yield os.urandom(300_000)
        (record,) = mongo_admin[database]["blobs"].find()
        assert set(record) == {"_id", "state", "patient", "created", "at", "whole"}
        with pytest.raises(NotFound):
            await blobs.stat(record["_id"], patient="p1")
        yield b"end"

    assert (await blobs.receive(looking(), patient="p1", content_type="x/y", limit=MB)).size == 300_003


async def test_an_upload_whose_patient_is_erased_meanwhile_is_refused_at_its_end(
    watched: tuple[MongoBlobs, MemoryBlobStore], erase: Erase, keyring: Keyring
) -> None:
    blobs, objects = watched

    async def erased_meanwhile() -> AsyncIterator[bytes]:
        yield os.urandom(300_000)
        await erase("p9")
        yield b"end"

    with pytest.raises(Gone):
        await blobs.receive(erased_meanwhile(), patient="p9", content_type="x/y", limit=MB)
    await blobs.close()
    assert objects.contents == {}


@pytest.mark.parametrize("step", ["insert", "update"])
async def test_a_failed_upload_is_given_up_though_the_database_is_away_at_first(
    watched: tuple[MongoBlobs, MemoryBlobStore],
    mongo_admin: MongoClient[dict[str, Any]],
    database: str,
    step: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`insert`: nobody knows whether the record was announced; `update`: it cannot be doomed either."""
    blobs, objects = watched
    monkeypatch.setattr(module, "GIVE_UP_PAUSES", (0.05,) * 10)
    kept = await received(blobs, b"of the same patient, who has a key by now", patient="p1")
    unknown = {"writeConcernError": {"code": 91, "errmsg": "shutting down"}} if step == "insert" else {"errorCode": 50}
    with failing(mongo_admin, step, times=4, **unknown):
        with pytest.raises(Unavailable):
            await blobs.receive(stream(os.urandom(1000)), patient="p1", content_type="x/y", limit=MB)
        await blobs.close()
    records = mongo_admin[database]["blobs"].find({"_id": {"$ne": kept.id}})
    assert [record["state"] for record in records] == ["doomed"]
    assert set(objects.contents) == {kept.id}


async def test_a_download_ends_when_the_patient_is_erased_meanwhile(
    watched: tuple[MongoBlobs, MemoryBlobStore], erase: Erase
) -> None:
    blobs, _ = watched
    blob = await received(blobs, os.urandom(MB), patient="p8")
    pieces = await blobs.open(blob)
    await anext(pieces)
    await erase("p8")
    with pytest.raises(Gone):
        async for _ in pieces:
            pass


async def test_after_a_key_has_leaked_documents_are_under_the_new_one_and_still_open(
    watched: tuple[MongoBlobs, MemoryBlobStore],
    data: Database,
    keyring: Keyring,
    mongo_admin: MongoClient[dict[str, Any]],
    database: str,
) -> None:
    blobs, _ = watched
    one, two = await received(blobs, b"one", title="Letter"), await received(blobs, b"two")
    damaged, other = await received(blobs, b"damaged"), await received(blobs, b"other", patient="p2")
    records = mongo_admin[database]["blobs"]
    records.update_one({"_id": damaged.id}, {"$set": {"wrapped": b"nonsense"}})
    before = {row["_id"]: row for row in records.find()}
    assert await keyring.stored.add_generation("Patient/p1") == 2
    keyring.forget("Patient/p1")
    assert await rewrap_blobs(data, keyring, "p1") == 2
    after = {row["_id"]: row for row in records.find()}
    for blob in (one, two):
        assert after[blob.id]["key"] == "Patient/p1#2"
        assert after[blob.id]["wrapped"] != before[blob.id]["wrapped"]
        assert await whole(blobs, blob) in (b"one", b"two")
        assert await read(blobs, blob) == await whole(blobs, blob)
    assert (await blobs.stat(one.id, patient="p1")).title == "Letter"
    assert [after[blob.id] == before[blob.id] for blob in (damaged, other)] == [True, True]
    assert await rewrap_blobs(data, keyring, "p1") == 0


async def test_a_range_reads_only_its_chunks(watched: tuple[MongoBlobs, MemoryBlobStore]) -> None:
    blobs, objects = watched
    blob = await received(blobs, os.urandom(3 * MB))
    asked: list[tuple[int, int]] = []
    get = objects.get

    async def noted(name: str, start: int, end: int) -> Any:
        asked.append((start, end))
        return await get(name, start, end)

    objects.get = noted  # type: ignore[method-assign]
    assert len(await read(blobs, blob, Span(MB, MB + 65_536))) == 65_536
    assert asked == [(0, 56), (56 + 64 * 16_400, 56 + 68 * 16_400)]
