"""Reading a blob: windows of whole chunks, fetched one ahead, opened, and cut to the bytes that were asked for.

The first window comes with the head of the object and its size, so a missing, cut, longer or foreign object is refused
before anything is handed out. The patient's key is asked for again with every window: a download that is under way when the
patient is erased ends within the time in which every process forgets the key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from domain.blobs import Blob, BlobStore, Data, Span
from domain.errors import IntegrityFailure, NotFound
from storage.crypto.blob_envelope import CHUNK, HEADER, BlobKey, BlobOpener, object_size, window

_SEALED_CHUNK = CHUNK + 16
_PIECE_CHUNKS = 16
"""Chunks handed out at once, 256 KiB: larger results cost five times as much, in page faults of fresh memory."""


class BlobReading:
    """One reading of one blob. `allowed` raises when its key may not be used any more."""

    def __init__(
        self, store: BlobStore, blob: Blob, span: Span, key: BlobKey, allowed: Callable[[], Awaitable[object]]
    ) -> None:
        self._store = store
        self._blob = blob
        self._span = span
        self._key = key
        self._allowed = allowed
        # At least one chunk is read, of an empty span too: it shows that the object is there and ours.
        self._end = max(span.end, span.start + 1)
        self._step = max(1, store.window // _SEALED_CHUNK) * CHUNK

    async def start(self) -> AsyncIterator[bytes]:
        """The pieces; the first window has been read and opened when this returns."""
        at = self._span.start // CHUNK * CHUNK
        header, data = await self._first(at)
        opener = self._key.opener(bytes(header))
        first = self._opened(opener, at, data)
        return self._pieces(opener, at, first)

    async def _first(self, at: int) -> tuple[Data, Data]:
        if at == 0:
            whole = await self._fetched(0, window(0, min(self._step, self._end), self._blob.size).end)
            return whole[:HEADER], whole[HEADER:]
        header, data = await asyncio.gather(self._fetched(0, HEADER), self._window(at))
        return header, data

    async def _window(self, at: int) -> Data:
        """The sealed chunks that start at the byte `at` of the content."""
        place = window(at, min(at + self._step, self._end), self._blob.size)
        return await self._fetched(place.start, place.end)

    async def _fetched(self, start: int, end: int) -> Data:
        try:
            data, size = await self._store.get(self._blob.id, start, end)
        except NotFound:
            raise IntegrityFailure(f"The object of blob {self._blob.id} is missing") from None
        foretold = object_size(self._blob.size)
        if size != foretold:
            how = "truncated" if size < foretold else "extended"
            raise IntegrityFailure(f"The object of blob {self._blob.id} was {how}")
        if len(data) != end - start:
            raise IntegrityFailure(f"The object of blob {self._blob.id} gave fewer bytes than it has")
        return data

    async def _pieces(self, opener: BlobOpener, at: int, first: list[bytes]) -> AsyncIterator[bytes]:
        opened: list[bytes] = first
        ahead: asyncio.Task[Data] | None = None
        try:
            while True:
                following = at + self._step
                if following < self._span.end:
                    ahead = asyncio.create_task(self._window(following))
                for number, piece in enumerate(opened):
                    start = at + number * _PIECE_CHUNKS * CHUNK
                    part = piece[max(0, self._span.start - start) : self._span.end - start]
                    if part:
                        yield part
                if ahead is None:
                    return
                data, ahead, at = await ahead, None, following
                await self._allowed()
                opened = self._opened(opener, at, data)
        finally:
            if ahead is not None:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)

    def _opened(self, opener: BlobOpener, at: int, data: Data) -> list[bytes]:
        size = _PIECE_CHUNKS * _SEALED_CHUNK
        parts = range(0, len(data), size)
        return [opener.open(at // CHUNK + start // _SEALED_CHUNK, data[start : start + size]) for start in parts]
