"""D4: kill -9 at every step of an upload, and a full disk: no record without bytes, after the sweep no bytes without record."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pymongo import MongoClient

from domain.blobs import BlobStore
from domain.errors import Unavailable
from storage.blobs.local import LocalBlobStore
from storage.blobs.location import Bucket, Limits
from storage.blobs.s3 import S3BlobStore
from storage.crypto.keys import Keyring
from storage.crypto.progress import unseen
from storage.mongo.blob_upkeep import BlobUpkeep
from storage.mongo.blobs import MongoBlobs
from storage.mongo.client import Database
from storage.mongo.revisions import MongoRevisionStore
from storage.mongo.verification_blobs import verify_blobs
from tests import small_disks
from tests.contracts.blobs import MB, publish, read, received
from tests.deadlines import within
from tests.s3_faults import FaultyProxy, faulty
from tests.s3_servers import new_bucket, witness

PROJECT = Path(__file__).parents[3]
NOW = timedelta(0)


class Installation:
    """One blob store and what looks after it."""

    def __init__(self, store: BlobStore, data: Database, keyring: Keyring, database: str, admin: Any) -> None:
        self.store = store
        self.data = data
        self.keyring = keyring
        self.blobs = MongoBlobs(data, keyring, store)
        self.upkeep = BlobUpkeep(self.blobs, f"{database}_keys", 24.0)
        self.records = admin[database]["blobs"]
        self.revisions = admin[database]["revisions"]

    async def require_no_half_upload(self) -> int:
        """Whatever was published is whole and named by its version, and the other way round; returns how many there are."""
        ready = list(self.records.find({"state": "ready"}))
        assert {row["resource"] for row in ready} == {row["_id"] for row in self.revisions.find({}, {"_id": 1})}
        for row in ready:
            blob = await self.blobs.stat(row["_id"], patient=row["patient"])
            assert len(await read(self.blobs, blob)) == blob.size
        return len(ready)

    async def require_no_orphan(self) -> None:
        """After a sweep: every record is ready and has an object, every object has a record."""
        await self.upkeep.sweep(pending_for=NOW, settled_for=NOW)
        names = {row["_id"] for row in self.records.find()}
        assert names == {row["_id"] for row in self.records.find({"state": "ready"})}
        assert names == {one.name async for one in self.store.objects()}
        assert [one async for one in self.upkeep.findings()] == []
        assert [one async for one in verify_blobs(self.data, self.keyring, unseen)] == []


async def killed_uploads(
    uri: str, database: str, master: Path, size: int, *, folder: Path | None = None, bucket: Bucket | None = None
) -> int:
    """Uploads killed at step 1, 2, 3 … until one completes; returns how many steps there are."""
    place = "" if bucket is None else msgspec.json.encode(bucket).decode()
    arguments = [uri, database, str(master), str(size), str(folder), place]
    run = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tests.uploads_killed", *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-2_000:]
    return int(run.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "fewest"), [(700, 20), (2 * MB, 30)])
async def test_an_upload_killed_at_any_step_leaves_nothing_half_and_no_orphan(
    size: int,
    fewest: int,
    data: Database,
    keyring: Keyring,
    mongo_uri: str,
    database: str,
    mongo_admin: MongoClient[dict[str, Any]],
    tmp_path: Path,
) -> None:
    folder = tmp_path / "blobs"
    here = Installation(LocalBlobStore(folder), data, keyring, database, mongo_admin)
    steps = await killed_uploads(mongo_uri, database, tmp_path / "master.key", size, folder=folder)
    assert steps > fewest
    states = {row["state"] for row in here.records.find()}
    assert states == {"pending", "ready"}
    # The last one completed; those killed between the commit and their end are stored too, which nobody was told.
    assert 1 <= await here.require_no_half_upload() < steps
    await here.require_no_orphan()
    assert await here.require_no_half_upload() >= 1
    print(f"{steps} steps")


@pytest.mark.slow
async def test_the_same_in_a_bucket_with_uploads_in_parts(
    data: Database,
    keyring: Keyring,
    mongo_uri: str,
    database: str,
    mongo_admin: MongoClient[dict[str, Any]],
    tmp_path: Path,
    radosgw: str,
) -> None:
    bucket = new_bucket(radosgw)
    store = S3BlobStore(bucket)
    here = Installation(store, data, keyring, database, mongo_admin)
    steps = await killed_uploads(mongo_uri, database, tmp_path / "master.key", 12 * MB, bucket=bucket)
    left = witness(bucket)._list_multipart_uploads(bucket.name).uploads
    assert left, "none was killed between two parts"
    await here.require_no_half_upload()
    await here.require_no_orphan()
    assert witness(bucket)._list_multipart_uploads(bucket.name).uploads == []
    await store.close()
    print(f"{steps} steps")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disks.small_disk(tmp_path / "disk") as folder:
        yield folder


async def test_a_full_disk_refuses_uploads_and_nothing_else_and_recovers_by_itself(
    small_disk: Path,
    data: Database,
    keyring: Keyring,
    database: str,
    mongo_admin: MongoClient[dict[str, Any]],
    store: MongoRevisionStore,
) -> None:
    here = Installation(LocalBlobStore(small_disk / "blobs"), data, keyring, database, mongo_admin)
    kept = await received(here.blobs, os.urandom(MB))
    await publish(store, kept)
    with within(5), pytest.raises(Unavailable) as refused:
        await received(here.blobs, os.urandom(8 * MB))
    assert refused.value.issues[0].code == "no-store"
    assert len(await read(here.blobs, kept)) == MB
    await here.blobs.close()
    await publish(store, await received(here.blobs, os.urandom(MB)))
    await here.require_no_orphan()
    assert await here.require_no_half_upload() == 2


@pytest.fixture
async def proxy(moto: str) -> AsyncIterator[FaultyProxy]:
    async with faulty(moto) as proxy:
        yield proxy


@pytest.mark.parametrize("fault", ["hang", "reset", "error", "refuse", "short"])
@pytest.mark.parametrize("size", [1_000, 12 * MB])
async def test_a_store_that_fails_leaves_no_record_without_bytes_and_after_a_sweep_no_bytes_without_a_record(
    proxy: FaultyProxy,
    moto: str,
    data: Database,
    keyring: Keyring,
    database: str,
    mongo_admin: MongoClient[dict[str, Any]],
    store: MongoRevisionStore,
    fault: str,
    size: int,
) -> None:
    bucket = new_bucket(moto, limits=Limits(0.5, 0.8, 1.5))
    objects = S3BlobStore(msgspec.structs.replace(bucket, endpoint=proxy.address))
    here = Installation(objects, data, keyring, database, mongo_admin)
    await publish(store, await received(here.blobs, b"kept"))
    proxy.break_(fault, after=min(size // 2, 5 * MB) if fault in ("hang", "reset") else 0)
    with within(3.5), pytest.raises(Unavailable):
        await received(here.blobs, os.urandom(size))
    proxy.mend()
    await objects.close()
    await here.require_no_orphan()
    assert await here.require_no_half_upload() == 1
    assert witness(bucket)._list_multipart_uploads(bucket.name).uploads == []
    await here.blobs.close()
