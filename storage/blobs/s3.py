"""Objects in an S3 bucket, through obstore; what obstore has no call for goes through the `minio` client.

A store that hangs must not hang a request: connecting takes at most 2 s, waiting for an answer 10 s, and whatever happens
below, `Limits.deadline_seconds` without progress end the call. A put is never cancelled, because that leaves the parts of a
multipart upload in the bucket: it goes on in the background with nothing more to send, and removes what it has stored.

Objects carry no metadata, and a put counts only when a HEAD has told the size that was sent.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from domain.blobs import Data, StoredObject
from domain.errors import NotFound, Unavailable
from storage.blobs.bucket import abort_uploads
from storage.blobs.location import Bucket
from storage.blobs.naming import probed, require_name
from storage.blobs.refusals import TIMED_OUT, refusal
from storage.blobs.uploading import PART, Feed

if TYPE_CHECKING:
    from obstore.store import S3Config

_T = TypeVar("_T")

PARALLEL_PARTS = 2
CLOSING_SECONDS = 5.0


class S3BlobStore:
    """`domain.blobs.BlobStore` in the bucket. Belongs to the event loop that first uses it."""

    window = 1024 * 1024

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._store = _connected(bucket)
        self._deadline = bucket.limits.deadline_seconds
        self._background: set[asyncio.Task[int]] = set()

    async def put(self, name: str, pieces: AsyncIterable[bytes]) -> int:
        require_name(name)
        feed = Feed()
        sending = asyncio.create_task(self._sent(name, feed))
        self._background.add(sending)
        sending.add_done_callback(self._ended)
        try:
            async for piece in pieces:
                await self._offered(feed, piece, sending)
            await self._offered(feed, None, sending)
            # What was sent and what is stored are compared inside, so that one deadline covers the end of the upload.
            return await self._within(asyncio.shield(sending))
        except BaseException:
            feed.abandon()
            raise

    def _ended(self, sending: asyncio.Task[int]) -> None:
        self._background.discard(sending)
        if not sending.cancelled():
            sending.exception()  # of an abandoned put nobody else asks for it

    async def _offered(self, feed: Feed, piece: bytes | None, sending: asyncio.Task[int]) -> None:
        """Hand over the next piece; raises what ended the sending, or `Unavailable` when the store takes nothing."""
        if feed.offer_now(piece):
            return
        offering = asyncio.ensure_future(feed.offer(piece))
        try:
            await asyncio.wait({offering, sending}, timeout=self._deadline, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
            elif not offering.done():
                raise Unavailable(TIMED_OUT, code="timeout")
        finally:
            offering.cancel()

    async def _sent(self, name: str, feed: Feed) -> int:
        """Send what the feed yields as one object; the size that is stored. Removes everything of an abandoned put."""
        try:
            first = await feed.first_part()
            if feed.ended:
                await obstore.put_async(self._store, name, first, use_multipart=False)
            else:
                await obstore.put_async(
                    self._store,
                    name,
                    feed.parts(first),
                    use_multipart=True,
                    chunk_size=PART,
                    max_concurrency=PARALLEL_PARTS,
                )
            size = int((await obstore.head_async(self._store, name))["size"])
            if size != feed.size:
                raise Unavailable("The blob store has not stored all it was sent", code="incomplete")
            return size
        except (BaseError, FileNotFoundError) as error:
            raise refusal(error) from None
        finally:
            if feed.abandoned:
                with suppress(Unavailable):
                    await self.delete(name)

    async def get(self, name: str, start: int, end: int) -> tuple[Data, int]:
        require_name(name)
        try:
            return await self._within(self._got(name, start, end))
        except FileNotFoundError:
            raise NotFound("There is no such object") from None
        except BaseError as error:
            if "416 Range" in str(error) or "InvalidRange" in str(error):
                # S3 refuses a range behind the end where files give nothing.
                return b"", await self._size(name)
            raise refusal(error) from None

    async def _got(self, name: str, start: int, end: int) -> tuple[Data, int]:
        found = await obstore.get_async(self._store, name, options={"range": (start, end)})
        return memoryview(await found.bytes_async()), int(found.meta["size"])

    async def _size(self, name: str) -> int:
        try:
            return int((await self._within(obstore.head_async(self._store, name)))["size"])
        except FileNotFoundError:
            raise NotFound("There is no such object") from None
        except BaseError as error:
            raise refusal(error) from None

    async def delete(self, name: str) -> None:
        require_name(name)
        try:
            with suppress(FileNotFoundError):
                await self._within(obstore.delete_async(self._store, name))
            await self._within(asyncio.to_thread(abort_uploads, self.bucket, name))
        except BaseError as error:
            raise refusal(error) from None

    async def objects(self) -> AsyncIterator[StoredObject]:
        try:
            async for page in obstore.list(self._store, chunk_size=1_000):
                for one in page:
                    yield StoredObject(str(one["path"]), int(one["size"]))
        except BaseError as error:
            raise refusal(error) from None

    async def probe(self) -> None:
        """See `domain.blobs.BlobStore.probe`."""
        await probed(self)

    async def close(self) -> None:
        """Let abandoned puts clean up, for a few seconds; the sweeper does the rest."""
        if self._background:
            await asyncio.wait(self._background, timeout=CLOSING_SECONDS)
        # obstore 0.12 aborts the interpreter at exit when a callback of it is still on its way to a closed loop.
        await asyncio.sleep(0.05)

    async def _within(self, waiting: Awaitable[_T]) -> _T:
        try:
            return await asyncio.wait_for(waiting, self._deadline)
        except TimeoutError:
            raise Unavailable(TIMED_OUT, code="timeout") from None


def _connected(bucket: Bucket) -> S3Store:
    """obstore's client; nothing is sent yet."""
    limits = bucket.limits
    config: S3Config = {
        "region": bucket.region,
        # Buckets with object lock refuse uploads without one, and the store checks what arrived against it.
        "checksum_algorithm": "SHA256",
        "virtual_hosted_style_request": bucket.endpoint is None,
    }
    if bucket.endpoint is not None:
        config["endpoint"] = bucket.endpoint
    if bucket.access_key is not None:
        config["access_key_id"] = bucket.access_key
        config["secret_access_key"] = bucket.secret_key or ""
    return S3Store(
        bucket.name,
        prefix=bucket.prefix or None,
        config=config,
        client_options={
            "allow_http": (bucket.endpoint or "").startswith("http://"),
            "connect_timeout": timedelta(seconds=limits.connect_seconds),
            "read_timeout": timedelta(seconds=limits.read_seconds),
            "timeout": timedelta(seconds=60),
        },
        retry_config={
            "max_retries": 2,
            "retry_timeout": timedelta(seconds=limits.deadline_seconds),
            "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2},
        },
    )
