"""A proxy in front of an S3 server that hangs, resets, answers 500, cuts answers or lies about sizes, when told to."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

ERROR = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
SKEWED = b"<?xml version='1.0'?><Error><Code>RequestTimeTooSkewed</Code><Message>clock of host-17</Message></Error>"


class FaultyProxy:
    """Passes everything on until `fault` is set. A fault begins after `after` bytes of one connection's requests.

    hang      takes what is sent and never answers      reset     ends the connection with a TCP reset
    refuse    accepts no connection                     error     answers 500 to everything
    cut       cuts answers after 1,000 bytes            skewed    refuses as S3 does when clocks differ
    short     answers to HEAD tell a smaller size       once      answers 500 once, then works
    """

    def __init__(self, target: str) -> None:
        address = urlsplit(target)
        self._target = (address.hostname or "", address.port or 80)
        self.fault: str | None = None
        self.after = 0
        self.address = ""
        self._tasks: set[asyncio.Task[None]] = set()

    def break_(self, fault: str, after: int = 0) -> None:
        self.fault, self.after = fault, after

    def mend(self) -> None:
        self.fault = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            up_reader, up_writer = await asyncio.open_connection(*self._target)
            downward = asyncio.create_task(self._answers(up_reader, writer))
            try:
                await self._requests(reader, writer, up_writer)
            finally:
                downward.cancel()
                up_writer.close()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: asyncio.StreamWriter
    ) -> None:
        passed = 0
        while True:
            if self.fault == "refuse":
                return
            data = await reader.read(65_536)
            if not data:
                return
            passed += len(data)
            if self.fault is not None and passed > self.after:
                if self.fault == "hang":
                    continue
                if self.fault == "reset":
                    reset(writer)
                    return
                if self.fault in ("error", "once", "skewed"):
                    await self._refuse(writer)
                    return
            upstream.write(data)
            await upstream.drain()

    async def _refuse(self, writer: asyncio.StreamWriter) -> None:
        answer = ERROR
        if self.fault == "skewed":
            answer = b"HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(SKEWED) + SKEWED
        if self.fault == "once":
            self.mend()
        writer.write(answer)
        await writer.drain()

    async def _answers(self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        while data := await upstream.read(65_536):
            if self.fault == "cut":
                data = data[: max(0, 1_000 - passed)]
                if not data:
                    writer.close()
                    return
            if self.fault == "short" and b"HTTP/1.1 200" in data[:20]:
                data = re.sub(rb"(?i)(content-length: )(\d{3,})", rb"\g<1>7", data)
            passed += len(data)
            writer.write(data)
            await writer.drain()

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST instead of FIN."""
    transport_socket = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        transport_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def faulty(target: str) -> AsyncIterator[FaultyProxy]:
    """A proxy in front of `target` while inside; `address` is its own."""
    proxy = FaultyProxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield proxy
    server.close()
    await proxy.stop()
