"""Objects as files of one folder: the store of a single machine.

    <folder>/ab/abcdef…    one object, mode 0600, under the first two characters of its name

Written with the system's own calls, not through obstore: its local store never syncs, keeps staged files of its own after a
crash, and hides from the caller why a write failed (`DECISIONS.md`). A file is created exclusively, so nothing is ever
overwritten, and both file and folder are on the disk before `put` returns. A name is used once, for a record that is not
whole before that, so a file cut by a crash is never read and needs no other name until it is whole.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.blobs import StoredObject
from domain.errors import NotFound, Unavailable
from storage.blobs.naming import probed, require_name

_PAGE = 1_000
_BATCH = 512 * 1024
"""Bytes written in one go: each turn of a thread costs 0.1 ms, on a busy machine ten times that."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class LocalBlobStore:
    """`domain.blobs.BlobStore` in a folder, which is made when it is missing."""

    window = 256 * 1024

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, name: str, pieces: AsyncIterable[bytes]) -> int:
        path, size = self._path(name), 0
        file: int | None = None
        waiting: list[bytes] = []
        waiting_bytes = 0
        try:
            async for piece in pieces:  # what the source raises is not ours to translate
                waiting.append(piece)
                size, waiting_bytes = size + len(piece), waiting_bytes + len(piece)
                if waiting_bytes >= _BATCH:
                    with _translated("store"):
                        file = await asyncio.to_thread(_created, path) if file is None else file
                        await asyncio.to_thread(_write, file, waiting)
                    waiting, waiting_bytes = [], 0
            with _translated("store"):
                if file is None:
                    await asyncio.to_thread(_write_whole, path, waiting, size)
                else:
                    await asyncio.to_thread(_write_last, path, file, waiting, size)
        finally:
            if file is not None:
                os.close(file)
        return size

    async def get(self, name: str, start: int, end: int) -> tuple[bytes, int]:
        with _translated("read"):
            try:
                return await asyncio.to_thread(_read, self._path(name), start, end)
            except FileNotFoundError:
                raise NotFound("There is no such object") from None

    async def delete(self, name: str) -> None:
        with _translated("delete"):
            await asyncio.to_thread(_remove, self._path(name))

    async def objects(self) -> AsyncIterator[StoredObject]:
        found = _walk(self._folder)
        while page := await asyncio.to_thread(_page, found):
            for one in page:
                yield one

    async def probe(self) -> None:
        """See `domain.blobs.BlobStore.probe`."""
        try:
            await asyncio.to_thread(_make_folder, self._folder)
        except OSError as error:
            raise Unavailable(f"The blob folder {self._folder} cannot be made: {error.strerror}") from None
        await probed(self)

    async def close(self) -> None:
        return

    def _path(self, name: str) -> Path:
        require_name(name)
        return self._folder / name[:2] / name


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _created(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        _make_folder(path.parent)
        _sync_folder(path.parent.parent)
        return os.open(path, flags, 0o600)


def _write_whole(path: Path, pieces: list[bytes], size: int) -> None:
    """A small object in one turn of a thread. The file system commits what several threads sync at a time together."""
    file = _created(path)
    try:
        _write_last(path, file, pieces, size)
    finally:
        os.close(file)


def _write_last(path: Path, file: int, pieces: list[bytes], size: int) -> None:
    _write(file, pieces)
    _sync(file, path, size)


def _write(file: int, pieces: list[bytes]) -> None:
    for piece in pieces:
        view = memoryview(piece)
        while view:
            view = view[os.write(file, view) :]


def _sync(file: int, path: Path, size: int) -> None:
    os.fsync(file)
    if os.fstat(file).st_size != size:
        raise OSError(errno.EIO, "the file has another size than was written")
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path, start: int, end: int) -> tuple[bytes, int]:
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        parts, at = [], start
        while at < end and (part := os.pread(file, end - at, at)):
            parts.append(part)
            at += len(part)
        return (parts[0] if len(parts) == 1 else b"".join(parts)), os.fstat(file).st_size
    finally:
        os.close(file)


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except FileNotFoundError:
        return
    _sync_folder(path.parent)


def _walk(folder: Path) -> Iterator[StoredObject]:
    for part in sorted(folder.iterdir()) if folder.is_dir() else ():
        if part.is_dir():
            for entry in os.scandir(part):
                yield StoredObject(entry.name, entry.stat(follow_symlinks=False).st_size)


def _page(found: Iterator[StoredObject]) -> list[StoredObject]:
    return [one for _, one in zip(range(_PAGE), found, strict=False)]


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    """`Unavailable` for what the system raises; the code `no-store` says that the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise Unavailable("The disk of the blob store is full: nothing was stored", code="no-store") from None
        raise Unavailable(f"The blob store cannot {doing} now ({os.strerror(error.errno or 0)})") from None
