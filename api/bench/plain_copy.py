"""What documents are measured against: a server that copies a file to disk and back, and does nothing else.

The same HTTP server with the same settings as `api.serving`, one worker; no sealing, no hashing, no record, no access. Part
of the benchmark only: `python -m api.bench.plain_copy FILE PORT`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from api.asgi import Receive, Scope, Send, body_pieces
from api.local_server import free_port

PIECE = 256 * 1024
_READY_SECONDS = 20.0


class PlainCopy:
    """ASGI: a body that is posted becomes the file, durable when answered; a GET sends it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] == "POST":
            await self._take(receive)
            await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"0")]})
        elif self._path.exists():
            length = b"%d" % self._path.stat().st_size
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
            await self._give(send)
        else:
            await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def _take(self, receive: Receive) -> None:
        waiting: list[bytes] = []
        with self._path.open("wb", buffering=0) as file:
            async for piece in body_pieces(receive):
                waiting.append(piece)
                if sum(map(len, waiting)) >= PIECE:
                    await asyncio.to_thread(file.write, b"".join(waiting))
                    waiting = []
            await asyncio.to_thread(file.write, b"".join(waiting))
            await asyncio.to_thread(os.fsync, file.fileno())

    async def _give(self, send: Send) -> None:
        with self._path.open("rb", buffering=0) as file:
            while piece := await asyncio.to_thread(file.read, PIECE):
                await send({"type": "http.response.body", "body": piece, "more_body": True})


@asynccontextmanager
async def plain_server(folder: Path) -> AsyncIterator[str]:
    """The address of such a server, in a process of its own, until the block ends. Raises `OSError` without one."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "api.bench.plain_copy", str(folder / "plain"), str(port)
    )
    try:
        await _ready(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def _ready(port: int) -> None:
    until = time.monotonic() + _READY_SECONDS
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


def _main(path: str, port: int) -> None:
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    from api.serving import MAX_HEADER_BYTES, Server

    limits = HTTP1Settings(max_buffer_size=MAX_HEADER_BYTES)
    server = Server(
        "plain", address="127.0.0.1", port=port, interface=Interfaces.ASGI, workers=1, loop=Loops.uvloop,
        http=HTTPModes.http1, websockets=False, http1_settings=limits, log_level=LogLevels.warning,
    )  # fmt: skip
    server.serve(target_loader=lambda _: PlainCopy(Path(path)))


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
