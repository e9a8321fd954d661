"""One pass over an incoming document: count, look at its head, hash, seal.

Pieces of any size come in, and go out sealed. They are hashed and sealed a batch of 1 MiB at a time, which takes 1.6 ms, in a
thread, where OpenSSL does not hold the interpreter: other requests go on meanwhile, and so does the store, with the batch
before. Pieces are not joined for that: fresh memory of that size costs more than sealing it (`blobs/DECISIONS.md`).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable

from domain.blobs import HEAD_BYTES, Expected
from domain.errors import InvalidContent, TooLarge
from storage.crypto.blob_envelope import BlobKey

BATCH = 1024 * 1024
AT_ONCE = 64 * 1024
"""A document of up to this size is sealed where it is: it takes 0.1 ms, and a turn of a thread as long or much longer."""


class Intake:
    """A stream on its way into the store. Use `head` once at most, then `sealed` once, then the results."""

    def __init__(self, stream: AsyncIterable[bytes], *, limit: int, alive: Callable[[], Awaitable[None]]) -> None:
        self._source = aiter(stream)
        self._limit = limit
        self._alive = alive
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._ended = False
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self.size = 0

    @property
    def sha1(self) -> bytes:
        return self._sha1.digest()

    @property
    def sha256(self) -> bytes:
        return self._sha256.digest()

    async def head(self) -> bytes:
        """The first `HEAD_BYTES`, or all there is; they stay part of the content."""
        await self._fill(HEAD_BYTES)
        return b"".join(self._waiting)[:HEAD_BYTES]

    async def sealed(self, key: BlobKey) -> AsyncIterator[bytes]:
        """The object, piece by piece. Raises `TooLarge`, what the stream raises and what `alive` raises."""
        sealer = key.sealer()

        def taken(pieces: list[bytes]) -> list[bytes]:
            sealed = []
            for piece in pieces:
                self._sha1.update(piece)
                self._sha256.update(piece)
                sealed.append(sealer.update(piece))
            return [piece for piece in sealed if piece]  # small pieces wait in the sealer until they fill a chunk

        loop = asyncio.get_running_loop()
        sealing: asyncio.Future[list[bytes]] | None = None
        try:
            while pieces := await self._next():
                ready = [] if sealing is None else await sealing
                if self._ended and self.size <= AT_ONCE:
                    ready = taken(pieces)
                else:
                    sealing = loop.run_in_executor(None, taken, pieces)
                for piece in ready:
                    yield piece
                await self._alive()
            for piece in [] if sealing is None else await sealing:
                yield piece
            yield sealer.finalize()
        finally:
            if sealing is not None and not sealing.done():
                await asyncio.wait([sealing])

    async def _next(self) -> list[bytes]:
        """Pieces of at least `BATCH` bytes together, fewer at the end, none after it."""
        await self._fill(BATCH)
        pieces, self._waiting, self._waiting_bytes = self._waiting, [], 0
        return pieces

    async def _fill(self, size: int) -> None:
        while not self._ended and self._waiting_bytes < size:
            piece = await anext(self._source, None)
            if piece is None:
                self._ended = True
                return
            self.size += len(piece)
            if self.size > self._limit:
                raise TooLarge(f"The document is larger than {self._limit:,} bytes")
            if piece:
                self._waiting.append(piece)
                self._waiting_bytes += len(piece)

    def require(self, expected: Expected) -> None:
        """Raises `InvalidContent` when what arrived is not what was announced."""
        for what, said, found in (
            ("size", expected.size, self.size),
            ("SHA-1", expected.sha1, self.sha1),
            ("SHA-256", expected.sha256, self.sha256),
        ):
            if said is not None and said != found:
                raise InvalidContent(f"The {what} of the document is not the one that was announced", code="value")
