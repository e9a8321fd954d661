"""Where imported resources come from: files, folders and archives, one document at a time, in a stated order.

Paths are taken as given; inside a folder (or archive) files go by name (by position), those that others refer to by
condition first. Nothing is unpacked to a folder: an archive is read as a stream, one document at a time.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, cast

import zstandard

LEADING = ("hospitalInformation", "practitionerInformation")
"""Synthea's files of organizations and practitioners, in this order: its patients refer to them by condition."""

_DOCUMENTS = {".json": "json", ".ndjson": "ndjson", ".jsonl": "ndjson"}
_ARCHIVES = (".tar", ".tgz", ".tar.gz", ".tar.zst", ".tar.xz", ".tar.bz2")
_PACKED = (".gz", ".zst")
_SPOOL_BYTES = 32 * 1024 * 1024
# Archives made with `zstd --long` need windows far over the library's default of 8 MiB.
_ZSTD_WINDOW = 2**31


DAMAGE = (OSError, EOFError, ValueError, tarfile.TarError, zlib.error, lzma.LZMAError, zstandard.ZstdError)
"""What reading a damaged file raises, whatever its packing."""


class SourceError(Exception):
    """A path that cannot be imported: missing, of an unknown kind, or damaged."""


class Document(NamedTuple):
    """One file or archive member. `open` gives its unpacked bytes; `position` counts bytes on disk up to its end.

    `kind` is `json` or `ndjson`. `leads`: later documents refer to it by condition, so it must be stored before them.
    """

    name: str
    kind: str
    open: Callable[[], IO[bytes]]
    position: int
    leads: bool


def expand(paths: Iterable[Path]) -> list[Path]:
    """The files behind `paths`: folders replaced by their importable files. Raises `SourceError` for the rest."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted((p for p in path.rglob("*") if p.is_file() and _importable(p.name)), key=_folder_order)
        elif not path.exists():
            raise SourceError(f"{path}: no such file or folder")
        elif not _importable(path.name):
            raise SourceError(f"{path}: not a .json, .ndjson (also .gz, .zst) or .tar file")
        else:
            files.append(path)
    return files


def documents(files: Iterable[Path]) -> Iterator[Document]:
    """Every document of `files`, in order; whoever opens one closes it.

    An archive that cannot be read to its end gives, in its place, a document whose `open` raises `SourceError`.
    """
    start = 0
    for path in files:
        if path.name.endswith(_ARCHIVES):
            yield from _members(path, start)
            start += path.stat().st_size
        else:
            start += path.stat().st_size
            yield Document(str(path), _kind(path.name), partial(_open, path), start, _leads(path.name))


def _importable(name: str) -> bool:
    return name.endswith(_ARCHIVES) or bool(_kind(name))


def _kind(name: str) -> str:
    path = PurePosixPath(name)
    return _DOCUMENTS.get(PurePosixPath(path.stem).suffix if path.suffix in _PACKED else path.suffix, "")


def _leads(name: str) -> bool:
    return PurePosixPath(name).name.startswith(LEADING)


def _folder_order(path: Path) -> tuple[int, str]:
    rank = next((rank for rank, prefix in enumerate(LEADING) if path.name.startswith(prefix)), len(LEADING))
    return rank, str(path)


def _open(path: Path) -> IO[bytes]:
    return _unpacked(path.name, path.open("rb"), owned=True)


def _refuse(reason: str) -> IO[bytes]:
    raise SourceError(reason)


def _same(stream: IO[bytes]) -> IO[bytes]:
    return stream


def _unpacked(name: str, file: IO[bytes], *, owned: bool) -> IO[bytes]:
    """The unpacked bytes of `file`, which is closed with them when it is `owned`."""
    if name.endswith((".xz", ".bz2")):
        return cast(IO[bytes], lzma.open(file) if name.endswith(".xz") else bz2.open(file))
    if name.endswith((".gz", ".tgz")):
        packed = gzip.GzipFile(fileobj=file)
        if owned:
            # The attribute by which gzip.open() makes GzipFile close what it opened.
            packed.myfileobj = file  # type: ignore[assignment]
        return cast(IO[bytes], packed)
    if name.endswith(".zst"):
        decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        return cast(IO[bytes], io.BufferedReader(decompressor.stream_reader(file, closefd=owned)))
    return file


def _members(path: Path, start: int) -> Iterator[Document]:
    """Two passes, because a stream cannot be reordered: first the members that lead, then the others."""
    for leading in (True, False):
        with path.open("rb") as raw:
            try:
                for name, spool in _matching(path, raw, leading):
                    position = start + (0 if leading else raw.tell())
                    yield Document(f"{path}!{name}", _kind(name), partial(_same, spool), position, leading)
            except DAMAGE as error:
                reason = f"The archive is damaged ({type(error).__name__})"
                yield Document(str(path), "json", partial(_refuse, reason), start + path.stat().st_size, False)
                return


def _matching(path: Path, raw: IO[bytes], leading: bool) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and unpacked content of each importable member that leads or does not."""
    stream = _Tailed(_unpacked(path.name, raw, owned=False))
    with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|") as archive:
        for member in archive:
            packed = archive.extractfile(member) if member.isfile() and _kind(member.name) else None
            if packed is None or _leads(member.name) != leading:
                continue
            spool = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115 closed by whoever reads it
            with _unpacked(member.name, packed, owned=True) as content:
                while block := content.read(1 << 20):
                    spool.write(block)
            spool.seek(0)
            yield member.name.removeprefix("./"), spool
    stream.require_end()


class _Tailed:
    """A readable that remembers its last block: tarfile takes a stream cut between two members for a whole one."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._tail = b""

    def read(self, size: int) -> bytes:
        block = self._stream.read(size)
        self._tail = (self._tail + block)[-512:]
        return block

    def require_end(self) -> None:
        """Raise `EOFError` unless the stream ends with a block of zeros, as every tar archive does."""
        while self.read(1 << 16):
            pass
        if self._tail != bytes(512):
            raise EOFError
