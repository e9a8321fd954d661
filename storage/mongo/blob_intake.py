"""One pass over an incoming document: count, look at its head, hash, seal.

Pieces of any size come in, sealed pieces of some 256 KiB go out. Hashing and sealing a piece takes 0.4 ms; they run in a
thread, where OpenSSL does not hold the interpreter, so that other requests go on meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable

from domain.blobs import HEAD_BYTES, Expected
from domain.errors import InvalidContent, TooLarge
from storage.crypto.blob_envelope import BlobKey

PIECE = 256 * 1024
_INLINE = 16 * 1024
"""Below this many bytes a thread costs more than the work."""


class Intake:
    """A stream on its way into the store. Use `head` once at most, then `sealed` once, then the results."""

    def __init__(self, stream: AsyncIterable[bytes], *, limit: int, alive: Callable[[], Awaitable[None]]) -> None:
        self._source = aiter(stream)
        self._limit = limit
        self._alive = alive
        self._waiting = bytearray()
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
        return bytes(self._waiting[:HEAD_BYTES])

    async def sealed(self, key: BlobKey) -> AsyncIterator[bytes]:
        """The object, piece by piece. Raises `TooLarge`, what the stream raises and what `alive` raises."""
        sealer = key.sealer()

        def taken(piece: bytes) -> bytes:
            self._sha1.update(piece)
            self._sha256.update(piece)
            return sealer.update(piece)

        while not self._ended or self._waiting:
            await self._fill(PIECE)
            piece = bytes(self._waiting[:PIECE])
            del self._waiting[:PIECE]
            yield taken(piece) if len(piece) < _INLINE else await asyncio.to_thread(taken, piece)
            await self._alive()
        yield sealer.finalize()

    async def _fill(self, size: int) -> None:
        while not self._ended and len(self._waiting) < size:
            piece = await anext(self._source, None)
            if piece is None:
                self._ended = True
                return
            self.size += len(piece)
            if self.size > self._limit:
                raise TooLarge(f"The document is larger than {self._limit:,} bytes")
            self._waiting += piece

    def require(self, expected: Expected) -> None:
        """Raises `InvalidContent` when what arrived is not what was announced."""
        for what, said, found in (
            ("size", expected.size, self.size),
            ("SHA-1", expected.sha1, self.sha1),
            ("SHA-256", expected.sha256, self.sha256),
        ):
            if said is not None and said != found:
                raise InvalidContent(f"The {what} of the document is not the one that was announced", code="value")
