"""Reading bodies and sending replies over ASGI, with every bound a slow or large peer could break.

https://asgi.readthedocs.io/en/latest/specs/www.html. A body has a size limit, a time limit as a whole, and one for each
piece; whoever exceeds them gets 413 or 408 and the connection is closed.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol, TypeAlias

from domain.errors import TooLarge, TooSlow

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

BODY_SECONDS = 60.0
PIECE_SECONDS = 10.0
_GZIP_FROM = 1400
_GZIP_THREAD_FROM = 128 * 1024

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
)


class Reply(Protocol):
    """What is sent: status, headers (lower-case names) and a whole body."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...


class Disconnected(Exception):
    """The peer went away before the body was complete; nobody is left to answer."""


async def read_body(receive: Receive, headers: dict[bytes, bytes], limit: int) -> bytes:
    """The whole body. Raises `TooLarge` over `limit` bytes, `TooSlow` for a peer that is too slow."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > limit:
        raise TooLarge(f"The body is larger than {limit} bytes")
    pieces: list[bytes] = []
    size = 0
    loop = asyncio.get_running_loop()
    last = loop.time() + BODY_SECONDS
    try:
        async with asyncio.timeout_at(None) as patience:
            while True:
                # One timeout moved along: `wait_for` would cost a task for every piece.
                patience.reschedule(min(last, loop.time() + PIECE_SECONDS))
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Disconnected
                piece = message.get("body", b"")
                size += len(piece)
                if size > limit:
                    raise TooLarge(f"The body is larger than {limit} bytes")
                pieces.append(piece)
                if not message.get("more_body", False):
                    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    except TimeoutError as error:
        raise TooSlow("The body did not arrive in time") from error


async def body_pieces(receive: Receive) -> AsyncIterator[bytes]:
    """The body piece by piece, as large as it may be. Raises `TooSlow` when the next piece does not come in time."""
    more = True
    while more:
        try:
            async with asyncio.timeout(PIECE_SECONDS):
                message = await receive()
        except TimeoutError as error:
            raise TooSlow("The body did not arrive in time") from error
        if message["type"] == "http.disconnect":
            raise Disconnected
        more = message.get("more_body", False)
        yield message.get("body", b"")


async def send_reply(send: Send, reply: Reply, headers: dict[bytes, bytes], *, request_id: str, head: bool) -> None:
    """Send a reply; gzip when the client accepts it and it pays; no body for HEAD, 204 and 304."""
    body = reply.body
    out = [*SECURITY_HEADERS, (b"x-request-id", request_id.encode("latin-1"))]
    if len(body) >= _GZIP_FROM and b"gzip" in headers.get(b"accept-encoding", b""):
        body = await (asyncio.to_thread(_gzip, body) if len(body) > _GZIP_THREAD_FROM else _at_once(body))
        out += ((b"content-encoding", b"gzip"), (b"vary", b"accept-encoding"))
    out += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()]
    if reply.status not in (204, 304):
        out.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": out})
    await send({"type": "http.response.body", "body": b"" if head else body})


async def send_stream(
    send: Send, status: int, headers: Mapping[str, str], pieces: AsyncIterator[bytes], *, request_id: str, head: bool
) -> None:
    """Send an answer piece by piece as it comes; nothing of it is held."""
    out = [*SECURITY_HEADERS, (b"x-request-id", request_id.encode("latin-1"))]
    out += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": out})
    try:
        if not head:
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
    finally:
        # A stream that is not read to its end holds a connection to the store until it is closed.
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()
    await send({"type": "http.response.body", "body": b""})


async def _at_once(body: bytes) -> bytes:
    return _gzip(body)


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()
