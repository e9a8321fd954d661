"""One socket to a provider: HTTP/1.1 with bodies that are streamed, every wait and every byte bounded.

https://www.rfc-editor.org/rfc/rfc9112. No redirects, no proxies, no compression. Where a socket leads was checked before
(`allowed_hosts.py`), and whatever fails comes as `ProviderTrouble`: it says a cause and nothing of what was sent or received.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

from api.allowed_hosts import AddressRefused, AllowedHosts
from api.trust import trusted
from domain.clinic.provider_ports import ProviderTrouble

HEAD_BYTES = 64 * 1024
_PIECE = 64 * 1024
_TARGET = re.compile(r"/[!-~]*")
_FIELD = re.compile(r"[!-~]+: [\x20-\x7e]*")
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)(?: [^\r\n]*)?")
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,12})[ \t]*(?:;[^\r\n]*)?\r\n")


class Patience(NamedTuple):
    """Seconds to connect, between two pieces of an answer, and for a whole answer that is not streamed."""

    connect: float = 10.0
    piece: float = 30.0
    whole: float = 60.0


class Head(NamedTuple):
    """Status and fields of an answer; names are lower-case, of several fields of a name the first counts."""

    status: int
    fields: Mapping[str, str]


class Wire:
    """One connection, one exchange at a time. `idle`: the last answer was read to its end, and another may be asked for."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: Patience) -> None:
        self._reader, self._writer, self._patience = reader, writer, patience
        self.idle = True

    def close(self) -> None:
        self.idle = False
        self._writer.transport.abort()

    async def ask(self, method: str, url: str, fields: Mapping[str, str], body: bytes = b"") -> Head:
        """Send a request and read the head of its answer."""
        self.idle = False
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"{name}: {value}" for name, value in {"Host": parts.netloc, **fields}.items()]
        if _TARGET.fullmatch(target) is None or not all(map(_FIELD.fullmatch, lines)):
            raise ProviderTrouble("bad_content")
        length = [f"Content-Length: {len(body)}"] if method in ("POST", "PUT") else []
        head = "\r\n".join([f"{method} {target} HTTP/1.1", *lines, *length, "", ""])
        with told_as_trouble():
            async with asyncio.timeout(self._patience.whole):
                self._writer.write(head.encode("ascii") + body)
                await self._writer.drain()
            async with asyncio.timeout(self._patience.piece):
                return await self._head()

    async def whole(self, head: Head, limit: int) -> bytes:
        """The body, in one piece of at most `limit` bytes."""
        with told_as_trouble():
            async with asyncio.timeout(self._patience.whole):
                return b"".join([piece async for piece in self.stream(head, limit)])

    async def stream(self, head: Head, limit: int) -> AsyncIterator[bytes]:
        """The body, piece by piece; more than `limit` bytes are `bad_content`, fewer than announced `unreachable`."""
        if head.fields.get("content-encoding", "identity").lower() != "identity":
            raise ProviderTrouble("bad_content")
        if head.status in (204, 304):
            pieces = self._exactly(0)
        elif "transfer-encoding" in head.fields:
            pieces = self._chunks()
        elif (length := head.fields.get("content-length")) is not None:
            if not (length.isascii() and length.isdecimal() and len(length) <= 15) or int(length) > limit:
                raise ProviderTrouble("bad_content")
            pieces = self._exactly(int(length))
        else:
            pieces = self._until_closed()
        total = 0
        async for piece in pieces:
            total += len(piece)
            if total > limit:
                raise ProviderTrouble("bad_content")
            yield piece
        ends = "transfer-encoding" not in head.fields and "content-length" not in head.fields
        self.idle = not ends and head.fields.get("connection", "").lower() != "close"

    async def _head(self) -> Head:
        for _ in range(5):
            text = await self._reader.readuntil(b"\r\n\r\n")
            first, *lines = text[:-4].split(b"\r\n")
            status = _STATUS.fullmatch(first)
            if status is None:
                raise ProviderTrouble("bad_content")
            if int(status[1]) < 200:
                continue
            fields: dict[str, str] = {}
            for line in lines:
                name, colon, value = line.decode("latin-1").partition(":")
                if not colon:
                    raise ProviderTrouble("bad_content")
                fields.setdefault(name.strip().lower(), value.strip())
            if first.startswith(b"HTTP/1.0"):
                fields["connection"] = "close"
            return Head(int(status[1]), fields)
        raise ProviderTrouble("bad_content")

    async def _piece(self, most: int) -> bytes:
        with told_as_trouble():
            async with asyncio.timeout(self._patience.piece):
                return await self._reader.read(min(most, _PIECE))

    async def _exactly(self, length: int) -> AsyncIterator[bytes]:
        left = length
        while left:
            piece = await self._piece(left)
            if not piece:
                raise ProviderTrouble("unreachable")
            left -= len(piece)
            yield piece

    async def _until_closed(self) -> AsyncIterator[bytes]:
        while piece := await self._piece(_PIECE):
            yield piece

    async def _chunks(self) -> AsyncIterator[bytes]:
        """https://www.rfc-editor.org/rfc/rfc9112#name-chunked-transfer-coding; trailers are dropped."""
        while length := int((await self._line(_CHUNK))[1], 16):
            async for piece in self._exactly(length):
                yield piece
            await self._line(re.compile(rb"(\r\n)"))
        for _ in range(100):
            if (await self._line(re.compile(rb"([^\r\n]*)\r\n")))[1] == b"":
                return
        raise ProviderTrouble("bad_content")

    async def _line(self, pattern: re.Pattern[bytes]) -> re.Match[bytes]:
        with told_as_trouble():
            async with asyncio.timeout(self._patience.piece):
                found = pattern.fullmatch(await self._reader.readuntil(b"\r\n"))
        if found is None:
            raise ProviderTrouble("bad_content")
        return found


class Lines:
    """Makes connections to hosts that may be called. `hosts` is the setting; the rest exists for tests."""

    def __init__(
        self, hosts: AllowedHosts, *, tls: ssl.SSLContext | None = None, patience: Patience | None = None
    ) -> None:
        self.hosts = hosts
        self._tls = tls
        self._patience = patience or Patience()

    async def open(self, url: str) -> Wire:
        """A new connection to the host of a URL: to the very address that was looked at."""
        if self.hosts.objection_to(url) is not None:
            raise ProviderTrouble("not_allowed")
        parts = urlsplit(url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        with told_as_trouble():
            async with asyncio.timeout(self._patience.connect):
                address = await self.hosts.address_of(host, port)
                reader, writer = await asyncio.open_connection(
                    address,
                    port,
                    limit=HEAD_BYTES,
                    ssl=(self._tls or trusted()) if secure else None,
                    server_hostname=host if secure else None,
                )
        return Wire(reader, writer, self._patience)


@contextmanager
def told_as_trouble() -> Iterator[None]:
    """Failures of sockets and of framing as causes; the order matters, most of them are `OSError`s."""
    try:
        yield
    except AddressRefused:
        raise ProviderTrouble("not_allowed") from None
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        raise ProviderTrouble("unreachable") from None
    except ssl.SSLError:
        raise ProviderTrouble("tls") from None
    except TimeoutError:
        raise ProviderTrouble("timeout") from None
    except (OSError, asyncio.IncompleteReadError):
        raise ProviderTrouble("unreachable") from None
    except (ValueError, asyncio.LimitOverrunError):
        raise ProviderTrouble("bad_content") from None
