"""Uploads that are killed (SIGKILL) at one step each: run as a program, see `tests/storage/mongo/test_blob_kills.py`.

    python -m tests.uploads_killed <mongodb uri> <database> <master key> <size> <store address> <bucket as JSON>

A step is everything that reaches outside: each command to MongoDB, before it is sent and after it was answered; each piece
of the stream; each call to the file system or to S3, before and after. Upload `n` dies at its step `n`; the first that has
fewer steps completes. Prints the number of steps.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import obstore
from pymongo import monitoring

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

PIECE = 1024 * 1024


class Steps(monitoring.CommandListener):
    """Counts steps once armed, and dies at the one that was chosen."""

    def __init__(self) -> None:
        self.fatal = self.passed = 0
        self.armed = False

    def step(self) -> None:
        if self.armed:
            self.passed += 1
            if self.passed == self.fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    def started(self, event: Any) -> None:
        self.step()

    succeeded = failed = started


STEPS = Steps()


def watch(module: Any, *names: str) -> None:
    """Make a step before and after each of these functions of a module."""
    for name in names:
        setattr(module, name, watched(getattr(module, name)))


def watched(function: Callable[..., Any]) -> Callable[..., Any]:
    if asyncio.iscoroutinefunction(function):

        @functools.wraps(function)
        async def waiting(*arguments: Any, **options: Any) -> Any:
            STEPS.step()
            result = await function(*arguments, **options)
            STEPS.step()
            return result

        return waiting

    @functools.wraps(function)
    def calling(*arguments: Any, **options: Any) -> Any:
        STEPS.step()
        result = function(*arguments, **options)
        STEPS.step()
        return result

    return calling


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
    monitoring.register(STEPS)
    watch(local, "_created", "_write", "_sync")
    watch(obstore, "put_async", "head_async")
    number = 0
    while True:
        number += 1
        # Forked before anything has started a thread: each upload is a process of its own, without importing again.
        child = os.fork()
        if child == 0:
            store: BlobStore = (
                S3BlobStore(msgspec.json.decode(bucket, type=Bucket)) if bucket else LocalBlobStore(Path(address))
            )
            asyncio.run(upload(number, uri, database, master, int(size), store))
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) == 0:
            break
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            sys.exit(1)
    print(number - 1)


if __name__ == "__main__":
    main()
