"""A small HTTP/1.1 client for programs that must cost less than what they call: the importer and the benchmark.

https://www.rfc-editor.org/rfc/rfc9112. One `Connection` is one keep-alive socket with one request in flight; `Client`
is a bounded pool of them. Written by hand because client, server and database share the same cores when an import or a
benchmark runs on one machine (figures in `loading/DECISIONS.md`). No redirects, cookies, proxies or compressed answers:
an answer that would need them comes back as it is. Every wait and every body is bounded.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from typing import NamedTuple, cast
from urllib.parse import urlsplit

from api.trust import trusted

_TARGET = re.compile(r"/[!-~]*")
_FIELD = re.compile(r"[!-~]+: [\x20-\x7e]*")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,15})[ \t]*(?=\r\n)")
_CHUNK = re.compile(rb"([0-9a-f]{1,12})[ \t]*(?:;[^\r\n]*)?", re.IGNORECASE)
_HEAD_LIMIT = 64 * 1024
_IDLE_SECONDS, _LISTEN_SECONDS = 1.0, 0.005
_BODY_LIMIT = 256 * 1024 * 1024


class HttpError(Exception):
    """The exchange failed: no connection, a broken answer, or no answer in time. Holds no content and no header."""


class Answer(NamedTuple):
    """A complete answer. `head` is the raw header block, starting at the CRLF that ends the status line."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str | None:
        """The first field of that name, any case; `None` when there is none."""
        found = re.search(rb"\r\n" + re.escape(name.encode()) + rb":[ \t]*([^\r\n]*)", self.head, re.IGNORECASE)
        return found[1].decode("latin-1").strip() if found else None


class Connection(asyncio.Protocol):
    """One socket, one request at a time. Unusable (`closed`) after any failure, time-out or cancellation."""

    __slots__ = ("_bodiless", "_buffer", "_limit", "_need", "_timer", "_transport", "_waiter", "closed")

    def __init__(self, body_limit: int) -> None:
        self._limit = body_limit
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._buffer = bytearray()
        self._need = 0
        self._bodiless = False
        self.closed = False

    async def exchange(self, request: bytes, *, bodiless: bool, seconds: float) -> Answer:
        """Send one request, head and body, and wait for its whole answer. `bodiless`: a HEAD request."""
        if self.closed or self._transport is None:
            raise HttpError("The connection is closed")
        loop = asyncio.get_running_loop()
        self._waiter = waiter = loop.create_future()
        self._bodiless = bodiless
        self._need = 0
        self._timer = loop.call_later(seconds, self._fail, "No answer in time")
        self._transport.write(request)
        try:
            answer: Answer = await waiter
            return answer
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            self._timer.cancel()
            self._waiter = None

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are Transports by behaviour, not by inheritance.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():
            self._fail("The server sent what nobody asked for")
            return
        if self._buffer or len(data) < self._need:
            self._buffer += data
            if len(self._buffer) < self._need:
                return
            data = bytes(self._buffer)
        try:
            answer = self._parse(data, ended=False)
        except (HttpError, ValueError) as error:
            self._fail(str(error) if isinstance(error, HttpError) else "The answer is not HTTP")
            return
        if answer is not None:
            self._buffer.clear()
            self._waiter.set_result(answer)
        elif not self._buffer:
            self._buffer += data

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._waiter is None or self._waiter.done():
            return
        try:
            answer = self._parse(bytes(self._buffer), ended=True) if self._buffer and exc is None else None
        except (HttpError, ValueError):
            answer = None
        if answer is not None:
            self._waiter.set_result(answer)
        else:
            self._fail("The connection was closed before the answer was complete")

    def _fail(self, message: str) -> None:
        self.close()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(HttpError(message))

    def _parse(self, data: bytes, *, ended: bool) -> Answer | None:
        """The answer in `data`, or `None` when it is not complete; `ended`: nothing more will come."""
        cut = data.find(b"\r\n\r\n")
        if cut < 0:
            if len(data) > _HEAD_LIMIT:
                raise HttpError("The head of the answer is too long")
            return None
        if not data.startswith(b"HTTP/1."):
            raise HttpError("The answer is not HTTP/1.1")
        status = int(data[9:12])
        if status < 200:
            return self._parse(data[cut + 4 :], ended=ended)
        head = data[data.index(b"\r\n") : cut + 2]
        fields = head.lower()
        if b"\r\nconnection: close" in fields or data.startswith(b"HTTP/1.0"):
            self.closed = True
        body = self._body(data, cut + 4, status, fields, ended)
        return None if body is None else Answer(status, head, body)

    def _body(self, data: bytes, start: int, status: int, fields: bytes, ended: bool) -> bytes | None:
        """https://www.rfc-editor.org/rfc/rfc9112#name-message-body-length"""
        if self._bodiless or status in (204, 304):
            end = start
        elif b"\r\ntransfer-encoding:" in fields:
            return self._chunks(data, start)
        elif (length := _LENGTH.search(fields)) is not None:
            end = start + int(length[1])
        else:
            self.closed = True
            self._bound(len(data) - start)
            return data[start:] if ended else None
        self._bound(end - start)
        if len(data) < end:
            self._need = end
            return None
        if len(data) > end:
            raise HttpError("The answer is longer than it says")
        return data[start:end]

    def _chunks(self, data: bytes, at: int) -> bytes | None:
        """https://www.rfc-editor.org/rfc/rfc9112#name-chunked-transfer-coding; trailers are dropped."""
        parts: list[bytes] = []
        total = 0
        while (line_end := data.find(b"\r\n", at)) >= 0:
            size = _CHUNK.fullmatch(data, at, line_end)
            if size is None:
                raise HttpError("A chunk of the answer has no size")
            length = int(size[1], 16)
            if length == 0:
                end = line_end + 2 if data.startswith(b"\r\n", line_end + 2) else data.find(b"\r\n\r\n", line_end)
                return b"".join(parts) if end >= 0 else None
            total += length
            self._bound(total)
            at = line_end + 2 + length + 2
            if len(data) < at:
                self._need = at
                return None
            parts.append(data[line_end + 2 : at - 2])
        return None

    def _bound(self, size: int) -> None:
        if size > self._limit:
            raise HttpError("The body of the answer is too long")


class Client:
    """Up to `connections` keep-alive sockets to one server, most recently used first.

    `base` is a URL such as `http://127.0.0.1:8000/fhir`; `headers` go with every request. Use as an async context.
    """

    def __init__(
        self,
        base: str,
        *,
        headers: Mapping[str, str] | None = None,
        connections: int = 16,
        seconds: float = 60.0,
        body_limit: int = _BODY_LIMIT,
    ) -> None:
        url = urlsplit(base)
        if url.scheme not in ("http", "https") or url.hostname is None:
            raise HttpError("The base must be an http or https URL")
        self._host, self._port = url.hostname, url.port or (443 if url.scheme == "https" else 80)
        self._tls = trusted() if url.scheme == "https" else None
        self._prefix = url.path.rstrip("/")
        self._fields = _fields({"Host": url.netloc.rpartition("@")[2], **(headers or {})})
        self._seconds = seconds
        self._body_limit = body_limit
        self._free: list[Connection] = []
        self._last = 0.0
        self._slots = asyncio.Semaphore(connections)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self._host}:{self._port}{self._prefix})"

    def close(self) -> None:
        """Close idle connections; those in use close themselves when their request is cancelled."""
        while self._free:
            self._free.pop().close()

    async def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request below the base and its whole answer, whatever the status.

        `path` starts with `/` or is empty (the base itself) and is already percent-encoded. Raises `HttpError` when
        there is no complete answer; whether the server acted on the request is then unknown.
        """
        target = self._prefix + path or "/"
        if _TARGET.fullmatch(target) is None:
            raise HttpError("The path is not a URL path")
        extra = _fields(headers) if headers else ""
        head = f"{method} {target} HTTP/1.1\r\n{self._fields}{extra}content-length: {len(body)}\r\n\r\n".encode("ascii")
        async with self._slots:
            connection = await self._connection()
            answer = await connection.exchange(head + body, bodiless=method == "HEAD", seconds=self._seconds)
            if connection.closed:
                connection.close()
            else:
                self._free.append(connection)
                self._last = time.monotonic()
            return answer

    async def _connection(self) -> Connection:
        if self._free and time.monotonic() - self._last > _IDLE_SECONDS:
            # A caller that computed for long has not let us hear that the server closed what was idle: listen first.
            await asyncio.sleep(_LISTEN_SECONDS)
        while self._free:
            connection = self._free.pop()
            if not connection.closed:
                return connection
        loop = asyncio.get_running_loop()
        try:
            _, connection = await asyncio.wait_for(
                loop.create_connection(lambda: Connection(self._body_limit), self._host, self._port, ssl=self._tls),
                min(10.0, self._seconds),
            )
        except (OSError, TimeoutError) as error:
            raise HttpError(f"Cannot connect to {self._host}:{self._port}") from error
        return connection


def _fields(headers: Mapping[str, str]) -> str:
    """Header lines; refuses what would end a line early."""
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if not all(_FIELD.fullmatch(line) for line in lines):
        raise HttpError("A header holds characters that do not belong into a header")
    return "".join(f"{line}\r\n" for line in lines)
