"""Hands documents to reading processes and takes their word for what is in them, within bounds: `ReadDocuments`.

A process per document: it starts in a fifth of a second, and nothing of one patient's document is left in memory when the
next one's comes. A few run at a time; who would wait longer than `patience_seconds` for a turn is told `busy`, so that
readers are never the reason an upload hangs. A process that takes too long is killed, whatever it is doing.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from api.extraction.worker import Said, Task, read_words
from domain.documents.extracting import Extract
from domain.documents.media_types import essence

WORDS = frozenset({
    "text/plain", "text/csv", "text/markdown", "text/rtf", "text/html", "application/xhtml+xml", "application/xml",
    "application/hl7-cda+xml", "application/hl7-v3+xml", "application/fhir+xml", "application/json",
    "application/fhir+json", "application/dicom", "application/pdf",
})  # fmt: skip
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/tiff", "image/webp", "image/bmp"})
SHORT_BYTES = 64 * 1024
LARGEST_ANSWER = 8 * 1024 * 1024
_ROOT = Path(__file__).resolve().parents[2]


class Bounds(NamedTuple):
    """Of one reading: bytes of a document, of memory, seconds of the processor and of the clock; how many at a time."""

    largest: int = 64 * 1024 * 1024
    memory_bytes: int = 1024 * 1024 * 1024
    cpu_seconds: int = 15
    seconds: float = 20.0
    at_once: int = 2
    patience_seconds: float = 20.0


class DocumentReader:
    """Implements `domain.documents.extracting.ReadDocuments`."""

    def __init__(self, bounds: Bounds = Bounds()) -> None:
        self._bounds = bounds
        self._turns = asyncio.Semaphore(bounds.at_once)

    def reads(self, media_type: str, size: int) -> bool:
        return 0 < size <= self._bounds.largest and essence(media_type) in WORDS | PICTURES

    async def extract(self, content: AsyncIterator[bytes], media_type: str) -> Extract:
        """See the port. At most `bounds.seconds` once it is its turn."""
        kind = essence(media_type)
        if kind not in WORDS | PICTURES:
            return Extract("nothing")
        if kind == "text/plain":
            # A short text needs no parser, so nothing to be protected from: a note costs microseconds instead of a process.
            try:
                async with asyncio.timeout(self._bounds.seconds):
                    short, content = await _short(content)
            except TimeoutError:
                return Extract("timeout")
            if short is not None:
                said = read_words(kind, short)
                return Extract(said.state, frozenset(said.words), said.pages, said.cut)
        answer = await self._ask(content, kind, 0)
        if isinstance(answer, Extract):
            return answer
        said, _ = answer
        return Extract(said.state, frozenset(said.words), said.pages, said.cut)

    async def thumbnail(self, content: AsyncIterator[bytes], media_type: str, *, edge: int) -> bytes | None:
        kind = essence(media_type)
        if kind not in PICTURES and kind != "application/pdf":
            return None
        answer = await self._ask(content, kind, max(16, min(edge, 1024)))
        return None if isinstance(answer, Extract) else answer[1] or None

    async def _ask(self, content: AsyncIterator[bytes], kind: str, edge: int) -> Extract | tuple[Said, bytes]:
        """What a process says, or why there is none."""
        try:
            async with asyncio.timeout(self._bounds.patience_seconds):
                await self._turns.acquire()
        except TimeoutError:
            return Extract("busy")
        try:
            return await self._run(content, kind, edge)
        finally:
            self._turns.release()

    async def _run(self, content: AsyncIterator[bytes], kind: str, edge: int) -> Extract | tuple[Said, bytes]:
        task = Task(kind, edge, self._bounds.memory_bytes, self._bounds.cpu_seconds)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "api.extraction.worker",
            msgspec.json.encode(task).decode(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            start_new_session=True,
            limit=LARGEST_ANSWER,
        )
        try:
            async with asyncio.timeout(self._bounds.seconds):
                feeding = asyncio.create_task(self._feed(process, content))
                try:
                    answer = await _heard(process)
                    fed = await feeding
                finally:
                    feeding.cancel()
        except TimeoutError:
            return Extract("timeout")
        finally:
            await _ended(process)
        return answer if fed else Extract("too-large")

    async def _feed(self, process: asyncio.subprocess.Process, content: AsyncIterator[bytes]) -> bool:
        """Hand over the document; false when it is larger than may be read."""
        sent, pipe = 0, process.stdin
        if pipe is None:
            raise RuntimeError("the process was started with a pipe")
        with suppress(BrokenPipeError, ConnectionResetError):
            async for piece in content:
                sent += len(piece)
                if sent > self._bounds.largest:
                    process.kill()
                    return False
                pipe.write(piece)
                await pipe.drain()
            pipe.close()
        return True


async def _short(content: AsyncIterator[bytes]) -> tuple[bytes | None, AsyncIterator[bytes]]:
    """The whole of a text of up to `SHORT_BYTES`; else `None`, and the content as it was."""
    held: list[bytes] = []
    async for piece in content:
        held.append(piece)
        if sum(map(len, held)) > SHORT_BYTES:
            return None, _again(held, content)
    return b"".join(held), content


async def _again(held: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for piece in held:
        yield piece
    async for piece in rest:
        yield piece


async def _heard(process: asyncio.subprocess.Process) -> Extract | tuple[Said, bytes]:
    """What the process said; nothing it says is trusted further than its form."""
    if process.stdout is None:
        raise RuntimeError("the process was started with a pipe")
    answer = bytearray()
    while piece := await process.stdout.read(65_536):
        answer += piece
        if len(answer) > LARGEST_ANSWER:
            return Extract("unreadable")
    line, _, preview = bytes(answer).partition(b"\n")
    try:
        return msgspec.json.decode(line, type=Said), preview
    except msgspec.DecodeError:
        return Extract("unreadable")


async def _ended(process: asyncio.subprocess.Process) -> None:
    """The process gone, killed if it would not go; nothing of it is left behind, also when we were cancelled.

    One that has said everything ends by itself: killing it at that moment could reap it behind the event loop's back.
    """
    if process.stdout is not None and process.stdout.at_eof():
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await process.wait()
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            await asyncio.shield(process.wait())
