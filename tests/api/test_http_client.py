"""The HTTP client against servers that answer in every legal, and some illegal, ways.

https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from api import http_client
from api.http_client import Client, HttpError

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def a_server(talk: Talk) -> AsyncIterator[str]:
    async def whole(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(whole, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/fhir"
    finally:
        server.close()


async def a_request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length"))
    return head, await reader.readexactly(length)


def saying(*packets: bytes, pause: float = 0.0, times: int = 100) -> Talk:
    """A server that answers each request with these packets."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(times):
            await a_request(reader)
            for packet in packets:
                writer.write(packet)
                await writer.drain()
                await asyncio.sleep(pause)

    return talk


OK = b'HTTP/1.1 200 OK\r\nETag: W/"3"\r\ncontent-length: 5\r\n\r\nhello'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"
TRAILED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nExpires: never\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK


@pytest.mark.parametrize("answer", [OK, CHUNKED, TRAILED, INTERIM], ids=["length", "chunks", "trailers", "interim"])
@pytest.mark.parametrize("cut", [1, 7, 1000])
async def test_an_answer_is_the_same_however_its_packets_are_cut(answer: bytes, cut: int) -> None:
    packets = [answer[i : i + cut] for i in range(0, len(answer), cut)]
    async with a_server(saying(*packets)) as base, Client(base, connections=1) as client:
        for _ in range(3):
            got = await client.request("GET", "/Patient/1")
            assert (got.status, got.body) == (200, b"hello")


async def test_headers_are_found_in_any_case() -> None:
    async with a_server(saying(OK)) as base, Client(base) as client:
        answer = await client.request("GET", "/Patient/1")
        assert answer.header("etag") == 'W/"3"'
        assert answer.header("location") is None


async def test_a_request_carries_base_path_headers_and_body() -> None:
    seen: list[tuple[str, bytes]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await a_request(reader))
        writer.write(OK)

    async with a_server(talk) as base, Client(base, headers={"Authorization": "Bearer t"}) as client:
        await client.request("POST", "/Patient?x=1", b"{}", {"Idempotency-Key": "k"})
    head, body = seen[0]
    assert head.startswith("POST /fhir/Patient?x=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert "\r\nAuthorization: Bearer t\r\n" in head
    assert "\r\nIdempotency-Key: k\r\n" in head
    assert body == b"{}"


async def test_one_connection_serves_many_requests() -> None:
    talks = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal talks
        talks += 1
        await saying(OK)(reader, writer)

    async with a_server(talk) as base, Client(base, connections=4) as client:
        for _ in range(10):
            await client.request("GET", "")
        assert talks == 1
        await asyncio.gather(*(client.request("GET", "") for _ in range(40)))
        assert talks == 4


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 500\r\n\r\n"),
        ("DELETE", b"HTTP/1.1 204 No Content\r\n\r\n"),
    ],
)
async def test_answers_without_a_body_end_at_their_head(method: str, answer: bytes) -> None:
    async with a_server(saying(answer)) as base, Client(base, connections=1, seconds=2) as client:
        for _ in range(2):
            assert (await client.request(method, "/Patient/1")).body == b""


async def test_a_body_may_end_with_the_connection() -> None:
    async with a_server(saying(b"HTTP/1.1 200 OK\r\n\r\n", b"hello", times=1)) as base, Client(base) as client:
        assert (await client.request("GET", "")).body == b"hello"
        assert (await client.request("GET", "")).body == b"hello"


async def test_a_closing_answer_is_followed_by_a_new_connection() -> None:
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 2\r\n\r\nok"
    async with a_server(saying(closing, times=1)) as base, Client(base, connections=1) as client:
        for _ in range(3):
            assert (await client.request("GET", "")).body == b"ok"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"",
    ],
    ids=["short", "long", "chunk", "protocol", "status", "nothing"],
)
async def test_a_broken_answer_is_an_error_not_a_short_body(answer: bytes) -> None:
    async with a_server(saying(answer, times=1)) as base, Client(base, seconds=2) as client:
        with pytest.raises(HttpError):
            await client.request("GET", "")


async def test_a_silent_server_costs_the_time_out_and_its_connection() -> None:
    async with a_server(saying(b"HTTP/1.1 200", pause=0.5)) as base, Client(base, seconds=0.05) as client:
        with pytest.raises(HttpError, match="in time"):
            await client.request("GET", "")
        with pytest.raises(HttpError, match="in time"):
            await client.request("GET", "")


async def test_a_body_over_the_limit_is_refused_before_it_is_read() -> None:
    async with a_server(saying(OK)) as base, Client(base, body_limit=4) as client:
        with pytest.raises(HttpError, match="too long"):
            await client.request("GET", "")


async def test_nobody_listening_is_an_error_that_names_the_address() -> None:
    async with a_server(saying(OK)) as base:
        pass
    with pytest.raises(HttpError, match=r"Cannot connect to 127\.0\.0\.1"):
        await Client(base).request("GET", "")


async def test_a_caller_that_computed_for_long_hears_first_that_its_connection_was_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_client, "_IDLE_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                connection.recv(65_536)
                connection.sendall(OK)
                connection.close()

        serving = threading.Thread(target=serve)
        serving.start()
        async with Client(f"http://127.0.0.1:{server.getsockname()[1]}", connections=1) as client:
            assert (await client.request("GET", "/a")).body == b"hello"
            time.sleep(0.3)  # the loop is held, as by counting a hundred thousand resources
            assert (await client.request("GET", "/b")).body == b"hello"
        serving.join()


async def test_a_cancelled_request_does_not_answer_the_next_one() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head, _ = await a_request(reader)
            slow = "slow" in head
            await asyncio.sleep(0.1 if slow else 0)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n" + (b"slow" if slow else b"fast"))

    async with a_server(talk) as base, Client(base, connections=1) as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.request("GET", "/slow"), 0.02)
        assert (await client.request("GET", "/fast")).body == b"fast"


@pytest.mark.parametrize("path", ["/Patient/1\r\nX: y", "/a b", "/é"])
async def test_a_path_that_would_break_the_request_is_refused(path: str) -> None:
    with pytest.raises(HttpError, match="path"):
        await Client("http://127.0.0.1:1/fhir").request("GET", path)


def test_a_header_that_would_break_the_request_is_refused() -> None:
    with pytest.raises(HttpError, match="header"):
        Client("http://127.0.0.1:1", headers={"Authorization": "Bearer a\r\nX: y"})


def test_nothing_secret_is_shown() -> None:
    assert "secret" not in repr(Client("http://me:secret@127.0.0.1:1/fhir", headers={"Authorization": "secret"}))
