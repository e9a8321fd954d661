"""Providers to synchronise with: a second Chartvault behind a real socket, and servers that answer as they should not."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

from api.settings import Settings
from api.tokens import mint
from domain.clinic.provider_ports import Auth, Connection
from tests.api.conftest import started
from tests.journeys.processes import free_port

Talk = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""What a faulty provider does when it was asked."""


class Provider:
    """A Chartvault that is served at `base`; `app` is the application in this process, `token` opens all of it."""

    def __init__(self, base: str, app: Any, settings: Settings) -> None:
        self.base, self.app, self.settings = base, app, settings

    @property
    def token(self) -> str:
        return mint(self.settings, scopes="system/*.cruds", lifetime_seconds=600)

    def connection(self, patient: str, **given: Any) -> Connection:
        """A connection to this provider, of the patient it knows by that name."""
        auth = Auth(kind="BEARER", secret=self.token)
        return connection(self.base, **{"remote_patient": patient, "auth": auth, **given})


@asynccontextmanager
async def provider(settings: Settings) -> AsyncIterator[Provider]:
    """A second installation over `settings`, answering on a port of its own while inside."""
    port = free_port()
    base = f"http://127.0.0.1:{port}/fhir"
    own = msgspec.structs.replace(settings, base_url=base, port=port)
    async with started(own) as app:
        server = Server(
            app,
            port=port,
            interface=Interfaces.ASGINL,
            websockets=False,
            http1_settings=HTTP1Settings(),
            log_level=LogLevels.error,
        )
        serving = asyncio.create_task(server.serve())
        try:
            await answering(port)
            yield Provider(base, app, own)
        finally:
            server.stop()
            await serving


async def answering(port: int) -> None:
    """Wait until somebody listens."""
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)


def connection(base: str, **given: Any) -> Connection:
    told = {"id": "c1", "patient": "1", "name": "Chalmers Clinic", "remote_patient": "r1", **given}
    return Connection(base=base, **told)


class Faulty:
    """A server that does what it was told at each path; `asked` are the requests it got, head and body."""

    def __init__(self, talks: Mapping[str, Talk]) -> None:
        self.talks = dict(talks)
        self.asked: list[str] = []
        self.base = ""
        self.sockets = 0
        self._serving: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sockets += 1
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the other side has gone, or the test is over
        finally:
            writer.transport.abort()

    async def end(self) -> None:
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lengths = [line[16:] for line in head.splitlines() if line.lower().startswith("content-length: ")]
            body = await reader.readexactly(int(lengths[0])) if lengths else b""
            self.asked.append(head + body.decode())
            path = head.split(" ", 2)[1].removeprefix("/fhir")
            found = next(
                (talk for start, talk in self.talks.items() if path.startswith(start)), saying("404 Not Found")
            )
            await found(writer)
            await writer.drain()

    def heads(self, path: str) -> list[str]:
        """The requests for a path below the base."""
        return [each for each in self.asked if f" /fhir{path}" in each.splitlines()[0]]


@asynccontextmanager
async def faulty(talks: Mapping[str, Talk], *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Faulty]:
    """A server with a talk for the beginning of each path below its base, the first that fits."""
    found = Faulty(talks)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0, ssl=tls)
    found.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/fhir"
    try:
        yield found
    finally:
        server.close()
        await found.end()


class Relay:
    """Another way to a provider, that can be cut: `base` leads there unless it is `away`."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.base = ""
        self.away = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.away:
            writer.transport.abort()
            return
        there, here = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(_copied(reader, here), _copied(there, writer))


@asynccontextmanager
async def relay(base: str) -> AsyncIterator[Relay]:
    """A relay in front of the provider at `base`."""
    found = Relay(int(base.rpartition(":")[2].partition("/")[0]))
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/fhir"
    try:
        yield found
    finally:
        server.close()
        await asyncio.sleep(0)


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    writer.transport.abort()


def saying(status: str, body: bytes = b"", **fields: str) -> Talk:
    """An answer in order, whatever it says."""
    named = {"Content-Type": "application/fhir+json", **{name.replace("_", "-"): text for name, text in fields.items()}}
    lines = "".join(f"{name}: {text}\r\n" for name, text in named.items())
    return raw(f"HTTP/1.1 {status}\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def content(resource: Mapping[str, Any], **fields: str) -> Talk:
    """A resource."""
    return saying("200 OK", msgspec.json.encode(resource), **fields)


def bundle(*resources: Mapping[str, Any], following: str | None = None) -> Talk:
    """A page of a search."""
    links = [{"relation": "next", "url": following}] if following else []
    entries = [{"resource": resource} for resource in resources]
    return content({"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries})


def raw(answer: bytes, *, hang: bool = False, cut: bool = False) -> Talk:
    """These bytes; then nothing more ever, or the end of the connection."""

    async def talk(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        if hang:
            await asyncio.sleep(30)
        if cut:
            writer.close()

    return talk


def endless(head: bytes, piece: bytes) -> Talk:
    """A body without end."""

    async def talk(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()

    return talk
