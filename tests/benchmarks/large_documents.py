"""What sealing costs a large document: by hand, on a machine with nothing else to do.

    python -m tests.benchmarks.large_documents                            files in a temporary folder
    python -m tests.benchmarks.large_documents http://127.0.0.1:7480      a bucket at an S3 server (account as in `s3_servers.py`)

Compares putting and getting 1 GB through a store alone with receiving and opening it through the whole layer (record, both
hashes, sealing), in seconds, in seconds of CPU and in growth of memory; then 64 KiB ranges from the middle.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import uvloop

from domain.blobs import BlobStore, Span
from storage.blobs.local import LocalBlobStore
from storage.blobs.naming import new_name
from storage.blobs.s3 import S3BlobStore
from storage.crypto.keys import Keyring
from storage.crypto.master_key import MasterKey
from storage.embedded import EmbeddedMongo
from storage.mongo.blobs import MongoBlobs
from storage.mongo.client import connect, data_database
from storage.mongo.indexes import create_collections
from tests.s3_servers import new_bucket

SIZE = 1024**3
PIECE = 128 * 1024
ROUNDS = 2
CONTENT = [os.urandom(PIECE) for _ in range(16)]


async def source() -> AsyncIterator[bytes]:
    """Pieces as they arrive from an HTTP server."""
    for number in range(SIZE // PIECE):
        yield CONTENT[number % len(CONTENT)]


def memory_mb(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


async def measured(name: str, action: Callable[[], Awaitable[None]]) -> None:
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
    before, started, cpu = memory_mb("VmRSS"), time.monotonic(), time.process_time()
    await action()
    seconds, used = time.monotonic() - started, time.process_time() - cpu
    grown = memory_mb("VmHWM") - before
    print(f"{name:10} {seconds:6.2f} s {SIZE / 1e6 / seconds:6.0f} MB/s  CPU {used:5.2f} s  memory +{grown:.0f} MB")


async def rounds(store: BlobStore, blobs: MongoBlobs) -> None:
    for _ in range(ROUNDS):
        name, received = new_name(), []

        async def put(name: str = name) -> None:
            await store.put(name, source())

        async def get(name: str = name) -> None:
            for start in range(0, SIZE, store.window):
                await store.get(name, start, start + store.window)

        async def receive(received: list[object] = received) -> None:
            received.append(await blobs.receive(source(), patient="p", content_type="x/y", limit=SIZE))

        await measured("put", put)
        await measured("get", get)
        await store.delete(name)
        await measured("receive", receive)
        (blob,) = received

        async def read(blob: object = blob) -> None:
            async for _ in await blobs.open(blob):  # type: ignore[arg-type]
                pass

        await measured("open", read)
        times = []
        for number in range(50):
            start, began = SIZE // 2 + number * 1_000_003, time.monotonic()
            async for _ in await blobs.open(blob, Span(start, start + 65_536)):  # type: ignore[arg-type]
                pass
            times.append((time.monotonic() - began) * 1_000)
        print(f"64 KiB     {statistics.median(times):6.2f} ms, at most {max(times):.2f} ms")
        await store.delete(blob.id)  # type: ignore[attr-defined]


async def main(uri: str, folder: Path) -> None:
    client = connect(uri)
    data = data_database(client, "bench")
    await create_collections(data)
    keyring = await Keyring.start(client, MasterKey("local", {"path": str(folder / "master")}), database="bench_keys")
    store = S3BlobStore(new_bucket(sys.argv[1])) if sys.argv[1:] else LocalBlobStore(folder / "blobs")
    blobs = MongoBlobs(data, keyring, store)
    try:
        await rounds(store, blobs)
    finally:
        await blobs.close()
        await keyring.close()
        await client.close()
        await asyncio.sleep(0)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        server = EmbeddedMongo(Path(temporary) / "mongodb")
        server.start()
        try:
            uvloop.run(main(server.uri, Path(temporary)))
        finally:
            server.stop()
