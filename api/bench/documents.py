"""The cell `blob`: one large document up and down over HTTP, against a plain copy of a file through the same server.

One connection, since one client's large document is the case that hurts. Rounds of ours and of the plain copy alternate,
with the same client; every byte that comes back is compared. The memory that counts is that of the processes which serve,
without the database, at its highest, above what they had when a small document had gone up and down.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from api.bench.engine import Told, Wrong
from api.bench.plain_copy import plain_server
from api.bench.processes import CpuMeter

MB = 1_000_000
WAYS = ("form", "raw", "download")
_BLOCK = 1 << 20
_RANGE_BYTES, _RANGES = 64 * 1024, 50
_SECONDS = 600.0
_WARMING = 16 * MB
_DATABASE = "mongod"
_BOUNDARY = "chartvault-bench-a-boundary"
_FORM = f'--{_BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="bench.bin"\r\n\r\n'.encode()
_FORM_END = f"\r\n--{_BOUNDARY}--\r\n".encode()


class Transfers(msgspec.Struct, frozen=True):
    """What came out. MB per second of each round: as a form to `/api/v1`, as bytes to `/fhir/Binary`, back, and plain."""

    size_mb: float
    form: tuple[float, ...]
    raw: tuple[float, ...]
    download: tuple[float, ...]
    plain_upload: tuple[float, ...]
    plain_download: tuple[float, ...]
    range_ms: tuple[float, float]
    """Median and slowest of 64 KiB from the middle."""
    grown_mb: float | None

    def of_plain(self, name: str) -> float:
        """How fast one way is as a share of the plain copy: medians."""
        plain = self.plain_download if name == "download" else self.plain_upload
        rates: tuple[float, ...] = getattr(self, name)
        return median(rates) / median(plain)


class Content(NamedTuple):
    """Random bytes that repeat; `number` makes each content another one."""

    block: bytes
    size: int
    number: int

    def pieces(self) -> Iterator[bytes]:
        for start in range(0, self.size, _BLOCK):
            yield self.part(start, min(start + _BLOCK, self.size))

    def part(self, start: int, end: int) -> bytes:
        """The bytes `start` to `end`, at most a block; not from inside the first eight, which are the number."""
        at, twice = start % _BLOCK, self.block * 2
        piece = twice[at : at + end - start]
        return self.number.to_bytes(8) + piece[8:] if start == 0 else piece


class Sender:
    """One connection to one server. Blocking: each use runs in a thread."""

    def __init__(self, base: str, token: str | None) -> None:
        url = urlsplit(base)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(url.netloc.rpartition("@")[2], timeout=_SECONDS, blocksize=_BLOCK)
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def up(self, path: str, content: Content, *, form: bool = False) -> tuple[float, bytes]:
        """Send a content; MB per second, and the answer's body. Raises `Wrong` unless it is stored."""
        media = f"multipart/form-data; boundary={_BOUNDARY}" if form else "application/octet-stream"
        head, tail = (_FORM, _FORM_END) if form else (b"", b"")
        length = str(len(head) + content.size + len(tail))
        headers = {**self._headers, "Content-Type": media, "Content-Length": length, "Accept": "application/json"}

        def body() -> Iterator[bytes]:
            yield from filter(None, (head,))
            yield from content.pieces()
            yield from filter(None, (tail,))

        started = time.perf_counter()
        self._connection.request("POST", path, body(), headers)
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status != 201:
            raise Wrong(f"blob: POST {answer.status}")
        return content.size / MB / (time.perf_counter() - started), said

    def down(self, path: str, content: Content) -> float:
        """Fetch a content and compare it; MB per second. Raises `Wrong` for any other byte."""
        started = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        if answer.status != 200:
            raise Wrong(f"blob: GET {answer.status}")
        for piece in content.pieces():
            if answer.read(len(piece)) != piece:
                raise Wrong("blob: the bytes that came back are others")
        if answer.read():
            raise Wrong("blob: more bytes came back")
        return content.size / MB / (time.perf_counter() - started)

    def part(self, path: str, content: Content) -> float:
        """Milliseconds for 64 KiB from the middle."""
        start = content.size // 2
        end = min(start + _RANGE_BYTES, content.size)
        started = time.perf_counter()
        self._connection.request("GET", path, headers={**self._headers, "Range": f"bytes={start}-{end - 1}"})
        answer = self._connection.getresponse()
        found = answer.read()
        taken = (time.perf_counter() - started) * 1000
        if answer.status != 206 or found != content.part(start, end):
            raise Wrong(f"blob: GET of a part {answer.status}")
        return taken

    def patient(self) -> str:
        """The id of a new Patient."""
        headers = {**self._headers, "Content-Type": "application/fhir+json"}
        self._connection.request("POST", "/fhir/Patient", b'{"resourceType":"Patient"}', headers)
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status != 201:
            raise Wrong(f"blob: POST Patient {answer.status}")
        return str(msgspec.json.decode(said)["id"])

    def close(self) -> None:
        self._connection.close()


async def transfers(
    base: str, token: str | None, meter: CpuMeter, *, megabytes: int, rounds: int, told: Told
) -> Transfers:
    """Measure a document of `megabytes` (10^6 bytes) at the FHIR base `base`. Raises `Wrong` with what went wrong."""
    try:
        with tempfile.TemporaryDirectory(prefix="chartvault-bench-") as folder:
            async with plain_server(Path(folder)) as address:
                run = _Run(Sender(base, token), Sender(address, None), meter)
                return await asyncio.to_thread(run.whole, megabytes * MB, rounds, told)
    except (OSError, TimeoutError, http.client.HTTPException) as error:
        raise Wrong(f"blob: {type(error).__name__}: {error}") from error


class _Run:
    """The rounds, one after the other."""

    def __init__(self, ours: Sender, plain: Sender, meter: CpuMeter) -> None:
        self._ours, self._plain, self._meter = ours, plain, meter
        self._rates: dict[str, list[float]] = {name: [] for name in (*WAYS, "plain_upload", "plain_download")}
        self._block = os.urandom(_BLOCK)
        self._number = 0

    def whole(self, size: int, rounds: int, told: Told) -> Transfers:
        try:
            path = f"/api/v1/patients/{self._ours.patient()}/documents"
            self._round(path, _WARMING)
            self._rates = {name: [] for name in self._rates}
            before = self._meter.resident_mb(without=_DATABASE)
            for number in range(rounds):
                told(f"blob, {size // MB:,} MB, round {number + 1} of {rounds}")
                address, content = self._round(path, size)
            peak = self._meter.peak_mb(without=_DATABASE)
            parts = sorted(self._ours.part(address, content) for _ in range(_RANGES))
        finally:
            self._ours.close()
            self._plain.close()
        rates = {name: tuple(found) for name, found in self._rates.items()}
        grown = None if before is None or peak is None else peak - before
        return Transfers(size / MB, **rates, range_ms=(median(parts), parts[-1]), grown_mb=grown)

    def _round(self, path: str, size: int) -> tuple[str, Content]:
        """Each way once; the address of the last document and its content."""
        rates, content = self._rates, self._content(size)
        rates["plain_upload"].append(self._plain.up("/", content)[0])
        rates["raw"].append(self._ours.up("/fhir/Binary", self._content(size))[0])
        rate, said = self._ours.up(path, content, form=True)
        rates["form"].append(rate)
        address = str(msgspec.json.decode(said)["links"]["content"])
        rates["plain_download"].append(self._plain.down("/", content))
        rates["download"].append(self._ours.down(address, content))
        return address, content

    def _content(self, size: int) -> Content:
        self._number += 1
        return Content(self._block, size, self._number)
