"""The INSTREAM protocol of clamd: https://docs.clamav.net/manual/Usage/Scanning.html#clamd"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from litestar import Litestar

from api.scanner import Clamd

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + rb"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
Answer = Callable[[bytes], bytes]


def verdict(document: bytes) -> bytes:
    return b"stream: Eicar-Signature FOUND\0" if EICAR in document else b"stream: OK\0"


@asynccontextmanager
async def daemon(answer: Answer = verdict, *, pause: float = 0.0, path: Path | None = None) -> AsyncIterator[str]:
    """A clamd that speaks the protocol and knows one signature; its address."""

    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            assert await reader.readexactly(10) == b"zINSTREAM\0"
            document = b""
            while size := int.from_bytes(await reader.readexactly(4)):
                document += await reader.readexactly(size)
            await asyncio.sleep(pause)
            writer.write(answer(document))
            await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            return
        finally:
            writer.close()

    if path is not None:
        server = await asyncio.start_unix_server(talk, path)
    else:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield str(path) if path is not None else f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for each in talks:
        each.cancel()
    await asyncio.gather(*talks, return_exceptions=True)
    await asyncio.sleep(0.05)


async def pieces(document: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(document), 1_000):
        yield document[start : start + 1_000]
        yield b""


@pytest.mark.parametrize(("document", "state"), [(b"a letter" * 5_000, "clean"), (b"x" * 1_500 + EICAR, "infected")])
async def test_the_daemons_verdict_is_the_state(document: bytes, state: str, tmp_path: Path) -> None:
    async with daemon() as address:
        assert await Clamd(address).scan(pieces(document), len(document)) == state
    async with daemon(path=tmp_path / "clamd.sock") as address:
        assert await Clamd(address).scan(pieces(document), len(document)) == state


@pytest.mark.parametrize(
    "answer",
    [b"INSTREAM size limit exceeded. ERROR\0", b"", b"stream: OK", b"stream: x\0", b"a" * 10_000],
    ids=lambda answer: str(len(answer)),
)
async def test_an_answer_that_is_no_verdict_never_means_clean(answer: bytes) -> None:
    async with daemon(lambda _: answer) as address:
        assert await Clamd(address, seconds=2).scan(pieces(b"a"), 1) == "not-scanned"


async def test_a_daemon_that_is_away_or_hangs_does_not_hold_up_uploads() -> None:
    assert await Clamd("127.0.0.1:1").scan(pieces(b"a"), 1) == "not-scanned"
    async with daemon(pause=5) as address:
        assert await Clamd(address, seconds=0.3).scan(pieces(b"a"), 1) == "not-scanned"
    assert await Clamd("127.0.0.1:1", largest=10).scan(pieces(b"a"), 11) == "not-scanned"


async def test_an_infected_document_is_kept_and_given_to_nobody(app: Litestar, fhir: httpx.AsyncClient) -> None:
    surface = app.state.fhir
    async with daemon() as address:
        tools = surface._service.parts.documents._replace(scanner=Clamd(address))
        surface._service = surface._service._replace(parts=surface._service.parts._replace(documents=tools))
        raw = {"content-type": "text/plain"}
        clean = await fhir.post("/Binary", content=b"wholesome words", headers=raw)
        bad = await fhir.post("/Binary", content=b"evil words " + EICAR, headers=raw)
    assert (clean.status_code, bad.status_code) == (201, 201)
    wholesome = await fhir.get(clean.headers["location"].rpartition("/_history")[0], headers={"accept": "*/*"})
    assert (wholesome.status_code, wholesome.headers["x-malware-scan"]) == (200, "clean")
    path = bad.headers["location"].rpartition("/_history")[0]
    for headers in ({"accept": "*/*"}, {"accept": "application/fhir+json"}, {"accept": "*/*", "range": "bytes=0-3"}):
        answer = await fhir.get(path, headers=headers)
        assert answer.status_code == 423
        assert answer.json()["issue"][0]["code"] == "security"
    data = base64.b64encode(EICAR).decode()
    digest = base64.b64encode(hashlib.sha1(EICAR).digest()).decode()
    assert data not in (await fhir.get("/Binary")).text
    assert digest not in (await fhir.get("/Binary")).text
