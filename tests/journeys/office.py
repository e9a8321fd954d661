"""Who works with one server while things fail: documents put in by every way, and what is stored of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from tests.deadlines import within
from tests.journeys.evidence import Admin
from tests.journeys.processes import Served, wait_for

MB = 1_000_000
LONGEST_SECONDS, OTHERS_SECONDS = 15.0, 3.0
"""What who is told of a fault waits at most, and what all others do (`tests.deadlines`)."""
BOUNDARY = "the-boundary-of-this-form"
FORM = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="x.bin"\r\n\r\n'.encode()
FORM_END = f"\r\n--{BOUNDARY}--\r\n".encode()

T = TypeVar("T")


class Office:
    """Who works with one server: a patient, uploads of every way, and what is stored of them."""

    def __init__(self, served: Served, web: httpx.AsyncClient, patient: str, admin: Admin) -> None:
        self.served, self.web, self.patient = served, web, patient
        self.data = admin[served.database]

    def request(self, way: str, content: bytes) -> tuple[str, dict[str, str], bytes]:
        """Path, headers and body of an upload."""
        headers = {"authorization": self.served.headers()["authorization"], "accept": "application/json"}
        if way == "raw":
            return "/fhir/Binary", {**headers, "content-type": "application/octet-stream"}, content
        media = f"multipart/form-data; boundary={BOUNDARY}"
        path = f"/api/v1/patients/{self.patient}/documents"
        return path, {**headers, "content-type": media}, FORM + content + FORM_END

    async def put(self, way: str, content: bytes) -> httpx.Response:
        path, headers, body = self.request(way, content)
        return await self.web.post(path, content=body, headers=headers)

    async def half(self, way: str, content: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """An upload that has come half-way, on a connection of its own."""
        path, headers, body = self.request(way, content)
        address = urlsplit(self.served.base)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        fields = {**headers, "host": address.netloc, "content-length": str(len(body))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body[: len(body) // 2])
        await writer.drain()
        return reader, writer

    def published(self) -> int:
        named = {"_id": {"$regex": "^(Binary|DocumentReference)/"}}
        return int(self.data["revisions"].count_documents(named))

    def states(self) -> list[str]:
        return [row["state"] for row in self.data["blobs"].find({}, {"state": 1})]

    async def require_nothing_left(self, stored: Callable[[], int], published: int) -> None:
        """Nobody names what was not stored; bytes given up go at once if they can, their records with the sweep."""
        await soon(lambda: "pending" not in self.states())
        assert self.published() == published
        # A record stays for an hour, in which a process that hangs might still write.
        long_ago = datetime.now(UTC) - timedelta(hours=2)
        self.data["blobs"].update_many({"state": "doomed"}, {"$set": {"at": long_ago}})
        done = await asyncio.to_thread(self.served.command, "blobs", "sweep")
        assert done.returncode == 0, done.stderr
        assert set(self.states()) <= {"ready"}
        assert stored() == len(self.states())

    @asynccontextmanager
    async def others_unaffected(self) -> AsyncIterator[None]:
        """Somebody reads and writes while inside; every answer is right and none takes long."""
        over = asyncio.Event()

        async def work() -> None:
            first = True
            while first or not over.is_set():
                first = False
                with within(OTHERS_SECONDS):
                    read = await self.web.get(f"/fhir/Patient/{self.patient}", headers=self.served.headers())
                    body = {"resourceType": "Patient", "language": "en"}
                    written = await self.web.post("/fhir/Patient", json=body, headers=self.served.headers())
                assert (read.status_code, written.status_code) == (200, 201)
                await asyncio.sleep(0.05)

        working = asyncio.create_task(work())
        try:
            yield
        finally:
            over.set()
            await working


@asynccontextmanager
async def office(served: Served, admin: Admin) -> AsyncIterator[Office]:
    root = served.base.removesuffix("/fhir")
    async with httpx.AsyncClient(base_url=root, timeout=60, trust_env=False) as web:
        made = await web.post("/fhir/Patient", json={"resourceType": "Patient"}, headers=served.headers())
        yield Office(served, web, made.json()["id"], admin)


def files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


async def soon(condition: Callable[[], Any]) -> None:
    """Wait until it is so, no longer than a client may have to."""
    with within(LONGEST_SECONDS):
        await asyncio.to_thread(wait_for, condition, 4 * LONGEST_SECONDS)


async def told(asked: Awaitable[T]) -> T:
    """The answer, which comes within the time that a client may have to wait."""
    with within(LONGEST_SECONDS):
        return await asked
