"""Uploads that are killed (SIGKILL) at one step each: run as a program, see `tests/storage/mongo/test_blob_kills.py`.

    python -m tests.uploads_killed <mongodb uri> <database> <master key> <size> <store address> <bucket as JSON>

Steps are commands to MongoDB, pieces of the stream, and calls to the file system or to S3 (`tests/killed_steps.py`). Upload `n`
dies at its step `n`; the first that has fewer steps completes. Prints the number of steps.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import obstore

from domain.blobs import BlobStore
from storage.blobs import local
from storage.blobs.local import LocalBlobStore
from storage.blobs.location import Bucket
from storage.blobs.s3 import S3BlobStore
from storage.crypto.keys import Keyring
from storage.crypto.master_key import MasterKey
from storage.mongo.blobs import MongoBlobs
from storage.mongo.client import connect, data_database
from storage.mongo.revisions import MongoRevisionStore
from tests.contracts.blobs import publish
from tests.killed_steps import STEPS, killed_one_by_one, watch

PIECE = 1024 * 1024


async def content(size: int) -> AsyncIterator[bytes]:
    for start in range(0, size, PIECE):
        STEPS.step()
        yield bytes(min(PIECE, size - start))


async def upload(number: int, uri: str, database: str, master: str, size: int, store: BlobStore) -> None:
    client = connect(uri)
    keyring = await Keyring.start(client, MasterKey("local", {"path": master}), database=f"{database}_keys")
    data = data_database(client, database)
    revisions, blobs = MongoRevisionStore(data, keyring), MongoBlobs(data, keyring, store)
    STEPS.fatal, STEPS.armed = number, True
    patient = f"k{number}"
    blob = await blobs.receive(content(size), patient=patient, content_type="x/y", limit=size)
    from domain.identity import ResourceKey

    await publish(revisions, blob, key=ResourceKey("Binary", patient))
    os._exit(0)


def main() -> None:
    uri, database, master, size, address, bucket = sys.argv[1:]
    watch(local, "_created", "_write", "_sync")
    watch(obstore, "put_async", "head_async")

    def work(number: int) -> None:
        store: BlobStore = (
            S3BlobStore(msgspec.json.decode(bucket, type=Bucket)) if bucket else LocalBlobStore(Path(address))
        )
        asyncio.run(upload(number, uri, database, master, int(size), store))

    print(killed_one_by_one(work))


if __name__ == "__main__":
    main()
