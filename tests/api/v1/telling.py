"""For the tests of notifications: causing notices, and listening to a stream of events."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import msgspec
from litestar import Litestar

from domain.audit import AuditEntry
from domain.identity import ResourceKey
from domain.notices import Notice, While
from domain.revision import Change, Description, Write, next_revision
from tests.api.v1.clinic import Clinic


def notice(*recipients: str, kind: str = "result-ready", minutes: float = -1, **given: Any) -> Notice:
    fields: dict[str, Any] = {"values": {"title": "Blood count"}, "about": ("DiagnosticReport/9",), **given}
    due = datetime.now(UTC) + timedelta(minutes=minutes)
    return Notice(id=secrets.token_hex(8), kind=kind, recipients=recipients, due=due, **fields)


async def caused(clinic: Clinic, *notices: Notice, key: ResourceKey | None = None) -> None:
    """Store notices with a cause: the next version of a resource of no matter."""
    store, now = clinic.service.parts.store, datetime.now(UTC)
    key = key or ResourceKey("Basic", secrets.token_hex(6))
    base = await store.newest(key)
    revision = next_revision(key, {"resourceType": "Basic"}, method="PUT", base=base, now=now)
    entry = AuditEntry(
        recorded=now,
        interaction="update",
        status=200,
        subject="t",
        client="t",
        token_id="t",
        request_id=secrets.token_hex(8),
        targets=(key.at(revision.version),),
    )
    await store.commit(Write((Change(revision, Description(), base),), entry, notices=notices))


def while_(key: ResourceKey, version: int) -> While:
    return While(str(key), version)


class Stream(AbstractAsyncContextManager["Stream"]):
    """`GET /notifications/events` as a browser would: over ASGI by hand, since httpx waits for the end of an answer."""

    def __init__(
        self, app: Litestar, token: str, *, last: str | None = None, path: str = "/api/v1/notifications/events"
    ) -> None:
        headers = [(b"authorization", f"Bearer {token}".encode()), (b"accept", b"text/event-stream")]
        headers += [(b"last-event-id", last.encode())] if last else []
        self._scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "scheme": "http",
            "query_string": b"",
            "headers": headers,
            "client": ("10.1.2.3", 4711),
            "server": ("127.0.0.1", 8000),
            "state": {},
        }
        self._app = app
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.status = 0
        self._begun = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._app(self._scope, self._receive, self._send))  # type: ignore[arg-type]
        await asyncio.wait_for(self._begun.wait(), 10)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _receive(self) -> dict[str, Any]:
        await asyncio.sleep(3600)
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self._pieces.put_nowait(message["body"] if message.get("more_body") else None)
        self._begun.set()

    async def events(self, count: int) -> list[dict[str, Any]]:
        """The next events: the data of each."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            piece = await asyncio.wait_for(self._pieces.get(), 15)
            assert piece is not None, "the stream has ended"
            for block in piece.decode().split("\n\n"):
                lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
                if lines.get("event") in ("notification", "sync"):
                    data = msgspec.json.decode(lines["data"])
                    assert data["id"] == lines.get("id", data["id"])
                    found.append(data)
        return found

    async def ended(self) -> None:
        """Wait until it ends."""
        while await asyncio.wait_for(self._pieces.get(), 15) is not None:
            pass
