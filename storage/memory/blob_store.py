"""`domain.blobs.BlobStore` in memory, for fast tests. Forgets everything.

Held to the same suite as the stores that keep what they are given (`tests/contracts/blob_store.py`).
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator

from domain.blobs import StoredObject
from domain.errors import NotFound, Unavailable
from storage.blobs.naming import probed, require_name


class MemoryBlobStore:
    """Objects in a dictionary, which tests may look into and alter."""

    window = 256 * 1024

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    async def put(self, name: str, pieces: AsyncIterable[bytes]) -> int:
        require_name(name)
        if name in self.contents:
            raise Unavailable("The blob store cannot store now (File exists)")
        self.contents[name] = b""
        async for piece in pieces:
            self.contents[name] += piece
        return len(self.contents[name])

    async def get(self, name: str, start: int, end: int) -> tuple[bytes, int]:
        require_name(name)
        if name not in self.contents:
            raise NotFound("There is no such object")
        return self.contents[name][start:end], len(self.contents[name])

    async def delete(self, name: str) -> None:
        require_name(name)
        self.contents.pop(name, None)

    async def objects(self) -> AsyncIterator[StoredObject]:
        for name, content in list(self.contents.items()):
            yield StoredObject(name, len(content))

    async def probe(self) -> None:
        await probed(self)

    async def close(self) -> None:
        return
