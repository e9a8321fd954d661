"""Verification of document records: a healthy one has no finding, each alteration is named by its victim."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import MongoClient

from storage.crypto.keys import Keyring
from storage.crypto.progress import unseen
from storage.memory.blob_store import MemoryBlobStore
from storage.mongo.blobs import MongoBlobs
from storage.mongo.client import Database
from storage.mongo.erasure import destroy_key, doom_blobs
from storage.mongo.revisions import MongoRevisionStore
from storage.mongo.tombstones import write_tombstone
from storage.mongo.verification_blobs import verify_blobs
from tests.contracts.blobs import publish, received


@pytest.fixture
async def filled(data: Database, keyring: Keyring, store: MongoRevisionStore) -> AsyncIterator[list[str]]:
    """Three published documents of two patients, one that waits, one that is doomed; returns the names of the three."""
    blobs = MongoBlobs(data, keyring, MemoryBlobStore())
    made = [await received(blobs, name.encode(), patient=name[:2]) for name in ("p1a", "p1b", "p2a", "p1c", "p1d")]
    for blob in made[:3]:
        await publish(store, blob)
    await blobs.discard(made[4:])
    yield [blob.id for blob in made[:3]]
    await blobs.close()


async def findings(data: Database, keyring: Keyring) -> list[tuple[str, str]]:
    return [(one.kind, one.where) async for one in verify_blobs(data, keyring, unseen)]


async def test_a_healthy_database_has_no_findings(filled: list[str], data: Database, keyring: Keyring) -> None:
    assert await findings(data, keyring) == []


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"$set": {"size": 99}}, "sealed"),
        ({"$set": {"patient": "p2"}}, "sealed"),
        ({"$set": {"wrapped": b"\x21 nonsense"}}, "sealed"),
        ({"$set": {"key": "Patient/p1#7"}}, "sealed"),
        ({"$set": {"resource": "Binary/never/1"}}, "missing"),
        ({"$unset": {"resource": 1}}, "missing"),
        ({"$unset": {"details": 1}}, "malformed"),
        ({"$set": {"state": "whatever"}}, "malformed"),
    ],
)
async def test_an_altered_record_is_named(
    filled: list[str],
    data: Database,
    keyring: Keyring,
    mongo_admin: MongoClient[dict[str, Any]],
    database: str,
    change: dict[str, Any],
    kind: str,
) -> None:
    mongo_admin[database]["blobs"].update_one({"_id": filled[0]}, change)
    assert await findings(data, keyring) == [(kind, f"blobs/{filled[0]}")]


async def test_keys_of_another_document_are_named(
    filled: list[str], data: Database, keyring: Keyring, mongo_admin: MongoClient[dict[str, Any]], database: str
) -> None:
    records = mongo_admin[database]["blobs"]
    other = records.find_one({"_id": filled[1]})
    assert other is not None
    records.update_one({"_id": filled[0]}, {"$set": {"wrapped": other["wrapped"], "details": other["details"]}})
    assert await findings(data, keyring) == [("sealed", f"blobs/{filled[0]}")]


async def test_a_record_that_survived_an_erasure_is_named(filled: list[str], data: Database, keyring: Keyring) -> None:
    at = await destroy_key(keyring, "p2", datetime(2026, 1, 1, tzinfo=UTC))
    await write_tombstone(data, keyring, patient="p2", at=at, by="boss", reason="asked")
    assert await findings(data, keyring) == [("erasure", f"blobs/{filled[2]}")]
    await doom_blobs(data, "p2")
    assert await findings(data, keyring) == []
