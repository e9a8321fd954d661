"""Receiving a document: one pass over its bytes, its type settled, its words read. What every way in goes through.

Nothing is published here: what comes out is a pending blob and what is known of it. Whoever writes the resource that names
it publishes both in one transaction; a blob that nobody publishes is removed by the sweeper.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import NamedTuple

from domain.blobs import Blob, Expected
from domain.documents.extracting import Extract
from domain.documents.media_types import UNKNOWN, settled
from domain.documents.scanning import NoScanner, ScanState
from domain.documents.streams import closing
from domain.interactions.parts import Parts

SHORT_BYTES = 64 * 1024
"""Up to this size a document is read from memory."""


class Received(NamedTuple):
    """A document that has arrived."""

    blob: Blob
    extract: Extract
    scan: ScanState = "not-scanned"


async def receive(
    parts: Parts,
    stream: AsyncIterable[bytes],
    *,
    patient: str | None,
    declared: str | None,
    title: str | None = None,
    expected: Expected | None = None,
) -> Received:
    """Store a stream as a pending blob of the patient, and read its words and pages if it is of a kind that has any.

    `declared` is the media type the sender states. Raises `UnsupportedMedia` when the bytes are something else or the type
    is not allowed, and what `Blobs.receive` raises. That nothing could be read is told in `extract`, never raised.
    """
    tools = parts.documents
    passing = _Passing(stream)
    blob = await parts.blobs.receive(
        passing.pieces(),
        patient=patient,
        content_type=declared or UNKNOWN,
        limit=tools.rules.largest,
        title=title,
        expected=expected,
        sniff=lambda head: settled(declared, head, tools.rules),
    )
    scan = await _scanned(parts, blob, passing)
    found = Extract("unreadable") if scan == "infected" else await _extracted(parts, blob, passing)
    return Received(blob, found, scan)


class _Passing:
    """A stream on its way into the store. A short one stays at hand, so that it need not be fetched and opened again."""

    def __init__(self, stream: AsyncIterable[bytes]) -> None:
        self._stream = stream
        self._kept: list[bytes] | None = []
        self._size = 0

    async def pieces(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            self._size += len(piece)
            if self._kept is not None:
                self._kept = [*self._kept, piece] if self._size <= SHORT_BYTES else None
            yield piece

    async def again(self, parts: Parts, blob: Blob) -> AsyncIterator[bytes]:
        return _given(self._kept) if self._kept is not None else await parts.blobs.open(blob)


async def _given(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def _scanned(parts: Parts, blob: Blob, passing: _Passing) -> ScanState:
    scanner = parts.documents.scanner
    if isinstance(scanner, NoScanner) or not blob.size:
        return "not-scanned"
    async with closing(await passing.again(parts, blob)) as content:
        return await scanner.scan(content, blob.size)


async def _extracted(parts: Parts, blob: Blob, passing: _Passing) -> Extract:
    """The words and pages of a blob."""
    reader = parts.documents.reader
    if not reader.reads(blob.content_type, blob.size):
        return Extract("nothing")
    async with closing(await passing.again(parts, blob)) as content:
        return await reader.extract(content, blob.content_type)
