"""What every `BlobStore` does. Inherit it and provide the fixture `store`."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator

import pytest

from domain.blobs import BlobStore
from domain.errors import NotFound, Unavailable

MB = 1024 * 1024


def new_name() -> str:
    return secrets.token_hex(16)


async def pieces(content: bytes, size: int = 256 * 1024) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def names(store: BlobStore) -> set[str]:
    return {one.name async for one in store.objects()}


async def whole(store: BlobStore, name: str) -> bytes:
    _, size = await store.get(name, 0, 1)
    data, _ = await store.get(name, 0, max(size, 1))
    return bytes(data)


class BlobStoreContract:
    @pytest.mark.parametrize("size", [1, 5_000, 5 * MB - 1, 5 * MB, 5 * MB + 1, 13 * MB + 7])
    async def test_what_was_put_comes_back_byte_for_byte(self, store: BlobStore, size: int) -> None:
        name, content = new_name(), os.urandom(size)
        assert await store.put(name, pieces(content)) == size
        assert await whole(store, name) == content

    async def test_an_empty_object_is_one(self, store: BlobStore) -> None:
        name = new_name()
        assert await store.put(name, pieces(b"")) == 0
        assert name in await names(store)
        data, size = await store.get(name, 0, 10)
        assert (bytes(data), size) == (b"", 0)

    async def test_a_range_comes_alone_with_the_size_of_the_whole(self, store: BlobStore) -> None:
        name, content = new_name(), os.urandom(100_000)
        await store.put(name, pieces(content))
        for start, end in ((0, 1), (10, 20), (99_999, 100_000), (0, 100_000)):
            data, size = await store.get(name, start, end)
            assert (bytes(data), size) == (content[start:end], 100_000)

    async def test_a_range_over_the_end_gives_what_there_is(self, store: BlobStore) -> None:
        name = new_name()
        await store.put(name, pieces(b"0123456789"))
        for start, end, expected in ((5, 100, b"56789"), (10, 20, b""), (50, 60, b"")):
            data, size = await store.get(name, start, end)
            assert (bytes(data), size) == (expected, 10)

    async def test_an_unknown_object_is_not_found(self, store: BlobStore) -> None:
        with pytest.raises(NotFound):
            await store.get(new_name(), 0, 10)

    async def test_a_deleted_object_is_gone_and_deleting_again_does_nothing(self, store: BlobStore) -> None:
        name = new_name()
        await store.put(name, pieces(b"x"))
        await store.delete(name)
        await store.delete(name)
        assert name not in await names(store)
        with pytest.raises(NotFound):
            await store.get(name, 0, 1)

    async def test_all_objects_are_listed_with_their_sizes(self, store: BlobStore) -> None:
        put = {new_name(): number for number in range(1, 6)}
        for name, size in put.items():
            await store.put(name, pieces(b"x" * size))
        listed = {one.name: one.size async for one in store.objects()}
        assert put.items() <= listed.items()

    async def test_many_objects_are_put_at_once(self, store: BlobStore) -> None:
        put = {new_name(): os.urandom(20_000) for _ in range(20)}
        await asyncio.gather(*(store.put(name, pieces(content)) for name, content in put.items()))
        found = await asyncio.gather(*(whole(store, name) for name in put))
        assert found == list(put.values())

    async def test_pieces_of_any_size_make_the_same_object(self, store: BlobStore) -> None:
        content = os.urandom(6 * MB + 3)
        for size in (70_001, 5 * MB + 1, 7 * MB):
            name = new_name()
            await store.put(name, pieces(content, size))
            assert await whole(store, name) == content

    @pytest.mark.parametrize("after", [0, 3 * MB, 12 * MB])
    async def test_a_put_whose_source_fails_says_so_and_leaves_what_delete_removes(
        self, store: BlobStore, after: int
    ) -> None:
        async def failing() -> AsyncIterator[bytes]:
            async for piece in pieces(os.urandom(after)):
                yield piece
            raise ConnectionResetError("the sender went away")

        name = new_name()
        with pytest.raises(ConnectionResetError, match="went away"):
            await store.put(name, failing())
        await asyncio.sleep(0.3)
        await store.delete(name)
        assert name not in await names(store)
        assert await self.leftovers(store, name) == []

    async def test_a_cancelled_put_leaves_what_delete_removes(self, store: BlobStore) -> None:
        waiting = asyncio.Event()

        async def hanging() -> AsyncIterator[bytes]:
            async for piece in pieces(os.urandom(12 * MB)):
                yield piece
            waiting.set()
            await asyncio.Event().wait()

        name = new_name()
        putting = asyncio.create_task(store.put(name, hanging()))
        await waiting.wait()
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
        await asyncio.sleep(0.5)
        await store.delete(name)
        assert name not in await names(store)
        assert await self.leftovers(store, name) == []

    async def leftovers(self, store: BlobStore, name: str) -> list[str]:
        """What else remains of an object; for stores that can say."""
        return []

    @pytest.mark.parametrize("name", ["", "../../etc/passwd", "a/b", "A" * 32, "0" * 31, "0" * 33, "%2e%2e"])
    async def test_only_names_of_our_own_making_are_taken(self, store: BlobStore, name: str) -> None:
        for call in (store.put(name, pieces(b"x")), store.get(name, 0, 1), store.delete(name)):
            with pytest.raises(ValueError, match="name"):
                await call

    async def test_a_probe_leaves_nothing(self, store: BlobStore) -> None:
        before = await names(store)
        await store.probe()
        assert await names(store) == before


class WriteOnceContract:
    async def test_nothing_is_ever_overwritten(self, store: BlobStore) -> None:
        name = new_name()
        await store.put(name, pieces(b"first"))
        with pytest.raises(Unavailable):
            await store.put(name, pieces(b"second"))
        assert await whole(store, name) == b"first"
