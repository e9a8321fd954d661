"""Malware scanning by clamd, the daemon of ClamAV: `ScanDocuments` over its INSTREAM command.

https://docs.clamav.net/manual/Usage/Scanning.html#clamd. The document is sent in pieces, each with its length in front;
a length of zero ends it, and one line comes back. What is larger than `largest` is not sent: clamd would refuse it at its
own `StreamMaxLength`. Whatever goes wrong on the way means "not scanned", never "clean".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from domain.documents.scanning import ScanState

_LONGEST_ANSWER = 4_096
_AT_ONCE = 4


class Clamd:
    """`address` is `host:port`, or the path of a Unix socket."""

    def __init__(self, address: str, *, seconds: float = 60.0, largest: int = 25 * 1024 * 1024) -> None:
        self._address = address
        self._seconds = seconds
        self._largest = largest
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def scan(self, content: AsyncIterator[bytes], size: int) -> ScanState:
        """See the port. Within `seconds`, waiting for a turn included."""
        if size > self._largest:
            return "not-scanned"
        try:
            async with asyncio.timeout(self._seconds), self._turns:
                return await self._ask(content)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            return "not-scanned"

    async def _ask(self, content: AsyncIterator[bytes]) -> ScanState:
        reader, writer = await self._connected()
        try:
            writer.write(b"zINSTREAM\0")
            async for piece in content:
                if piece:
                    writer.write(len(piece).to_bytes(4) + piece)
                    await writer.drain()
            writer.write(bytes(4))
            await writer.drain()
            return _understood(await reader.readuntil(b"\0"))
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._address.startswith("/"):
            return await asyncio.open_unix_connection(self._address, limit=_LONGEST_ANSWER)
        host, _, port = self._address.rpartition(":")
        return await asyncio.open_connection(host, int(port), limit=_LONGEST_ANSWER)


def _understood(answer: bytes) -> ScanState:
    """`stream: OK` and `stream: Name FOUND`; anything else is no verdict."""
    said = answer.rstrip(b"\0\r\n ")
    if said == b"stream: OK":
        return "clean"
    return "infected" if said.startswith(b"stream: ") and said.endswith(b" FOUND") else "not-scanned"
