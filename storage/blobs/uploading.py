"""The pieces of one upload between the request that brings them and the task that sends them.

Two sides with one small queue between them: the request sees at once when the store takes nothing more, and can go away
without taking the sending task with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

PART = 5 * 1024 * 1024
"""Bytes of a part: the smallest that S3 allows, so that a slow line can send one within the read timeout. An object has at
most 10,000 parts: 50 GB."""
_WAITING = 16


class Feed:
    """A queue of pieces that ends with `None`; `abandon` ends it at once."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING)
        self.size = 0
        self.ended = False
        self.abandoned = False

    def offer_now(self, piece: bytes | None) -> bool:
        """Add a piece if there is room, and say whether there was."""
        if self._queue.full():
            return False
        self._queue.put_nowait(piece)
        return True

    async def offer(self, piece: bytes | None) -> None:
        await self._queue.put(piece)

    def abandon(self) -> None:
        """Nothing more will come: whoever sends shall end, and remove what it has stored."""
        self.abandoned = True
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(None)

    async def first_part(self) -> bytes:
        """At least `PART` bytes, or all there are: then `ended` is true."""
        parts: list[bytes] = []
        while sum(map(len, parts)) < PART and (piece := await self._next()) is not None:
            parts.append(piece)
        return b"".join(parts)

    async def parts(self, first: bytes) -> AsyncIterator[bytes]:
        """`first` and then everything else. Ends without raising: an error would leave parts behind in the bucket."""
        yield first
        while (piece := await self._next()) is not None:
            yield piece

    async def _next(self) -> bytes | None:
        piece = None if self.ended else await self._queue.get()
        self.ended = piece is None
        self.size += len(piece or b"")
        return piece
