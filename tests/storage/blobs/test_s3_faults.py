"""D4: a store that hangs, resets, fails or cuts ends the request in time with a sentence, and nothing else notices."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest

from domain.errors import Unavailable
from storage.blobs.location import Bucket, Limits
from storage.blobs.s3 import S3BlobStore
from tests.contracts.blob_store import MB, names, new_name, pieces, whole
from tests.deadlines import within
from tests.s3_faults import FaultyProxy, faulty
from tests.s3_servers import new_bucket, witness

LIMITS = Limits(connect_seconds=0.5, read_seconds=0.8, deadline_seconds=1.5)
PROMISED = 2.5
"""Seconds within which a request must end under those limits: the deadline, and a busy machine."""


@pytest.fixture
async def proxy(moto: str) -> AsyncIterator[FaultyProxy]:
    async with faulty(moto) as proxy:
        yield proxy


@pytest.fixture
def direct(moto: str) -> Bucket:
    """The bucket past the proxy."""
    return new_bucket(moto, limits=LIMITS)


@pytest.fixture
async def store(direct: Bucket, proxy: FaultyProxy) -> AsyncIterator[S3BlobStore]:
    store = S3BlobStore(msgspec.structs.replace(direct, endpoint=proxy.address))
    yield store
    proxy.mend()
    await store.close()


@asynccontextmanager
async def others_go_on() -> AsyncIterator[None]:
    """Meanwhile the event loop keeps nobody waiting."""

    async def watch() -> None:
        while True:
            with within(0.5):
                await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    yield
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching


FAULTS = [("hang", "timeout"), ("reset", "transient"), ("refuse", "transient"), ("error", "transient")]


@pytest.mark.parametrize(("fault", "code"), FAULTS)
@pytest.mark.parametrize(("size", "after"), [(1_000, 0), (12 * MB, 0), (12 * MB, 3 * MB), (30 * MB, 5 * MB)])
async def test_a_put_ends_in_time_and_leaves_nothing_once_the_store_is_back(
    store: S3BlobStore, direct: Bucket, proxy: FaultyProxy, fault: str, code: str, size: int, after: int
) -> None:
    proxy.break_(fault, after)
    name = new_name()
    async with others_go_on():
        with within(PROMISED), pytest.raises(Unavailable) as refused:
            await store.put(name, pieces(os.urandom(size)))
    # Both are true of a store that stops answering: it depends on which limit strikes first.
    assert refused.value.issues[0].code in {code, "transient"}
    proxy.mend()
    await store.close()
    await store.delete(name)
    assert name not in await names(store)
    assert witness(direct)._list_multipart_uploads(direct.name).uploads == []


@pytest.mark.parametrize(("fault", "code"), [*FAULTS, ("cut", "transient")])
async def test_a_get_ends_in_time(store: S3BlobStore, proxy: FaultyProxy, fault: str, code: str) -> None:
    name, content = new_name(), os.urandom(200_000)
    await store.put(name, pieces(content))
    proxy.break_(fault)
    with within(2 * PROMISED), pytest.raises(Unavailable) as refused:
        await store.get(name, 0, 200_000)
    assert refused.value.issues[0].code in {code, "timeout"}
    proxy.mend()
    assert await whole(store, name) == content


@pytest.mark.parametrize("fault", ["hang", "error", "reset"])
async def test_a_delete_and_a_listing_end_in_time(store: S3BlobStore, proxy: FaultyProxy, fault: str) -> None:
    proxy.break_(fault)
    for call in (store.delete(new_name()), names(store)):
        with within(2 * PROMISED), pytest.raises(Unavailable):
            await call


async def test_one_failure_of_the_store_is_not_seen(store: S3BlobStore, proxy: FaultyProxy) -> None:
    name = new_name()
    proxy.break_("once")
    await store.put(name, pieces(b"x"))
    proxy.break_("once")
    assert await whole(store, name) == b"x"


async def test_a_store_that_has_kept_less_than_it_was_sent_is_not_believed(
    store: S3BlobStore, proxy: FaultyProxy
) -> None:
    proxy.break_("short")
    with pytest.raises(Unavailable, match="not stored all"):
        await store.put(new_name(), pieces(os.urandom(5_000)))


async def test_a_clock_that_is_off_is_said_at_the_start(store: S3BlobStore, proxy: FaultyProxy) -> None:
    proxy.break_("skewed")
    with pytest.raises(Unavailable, match="clock of this machine and that of the blob store differ") as refused:
        await store.probe()
    assert "host-17" not in str(refused.value)


async def test_a_slow_sender_is_not_the_stores_fault(store: S3BlobStore) -> None:
    async def slow() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield os.urandom(100)
            await asyncio.sleep(0.8)

    assert await store.put(new_name(), slow()) == 300
