"""Answers before the end of the request: what is sent when, and how long the rest is taken."""

from __future__ import annotations

import asyncio

import pytest

from api import lingering
from api.asgi import Message
from api.lingering import Lingering


class Peer:
    """A client that sends these pieces, then nothing more: `ends` tells whether that was all."""

    def __init__(self, *pieces: bytes, ends: bool = True) -> None:
        self.pieces, self.ends = list(pieces), ends
        self.told: list[tuple[bytes, int]] = []

    async def receive(self) -> Message:
        if not self.pieces:
            await asyncio.Event().wait()
        piece = self.pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(self.pieces) or not self.ends}

    async def send(self, message: Message) -> None:
        self.told.append((message["body"], len(self.pieces)))

    def lingering(self, *, expects: bool = False) -> Lingering:
        return Lingering(self.receive, self.send, expects=expects)


ANSWER: Message = {"type": "http.response.body", "body": b"No."}


async def test_the_last_byte_of_an_early_answer_waits_for_the_end_of_the_request() -> None:
    peer = Peer(b"1", b"2", b"3")
    await peer.lingering().send(dict(ANSWER))
    assert peer.told == [(b"No", 3), (b".", 0)]


async def test_an_answer_to_what_was_read_whole_is_sent_at_once() -> None:
    peer = Peer(b"1")
    request = peer.lingering()
    await request.receive()
    await request.send(dict(ANSWER))
    assert peer.told == [(b"No.", 0)]


async def test_an_early_answer_without_a_body_is_sent_after_the_request() -> None:
    peer = Peer(b"1", b"2")
    await peer.lingering().send({"type": "http.response.body"})
    assert peer.told == [(b"", 0)]


async def test_who_waits_to_be_asked_for_the_body_is_not_waited_for() -> None:
    peer = Peer(b"1", b"2")
    await peer.lingering(expects=True).send(dict(ANSWER))
    assert peer.told == [(b"No.", 2)]


async def test_who_was_asked_and_began_is_heard_to_the_end() -> None:
    peer = Peer(b"1", b"2")
    request = peer.lingering(expects=True)
    await request.receive()
    await request.send(dict(ANSWER))
    assert peer.told == [(b"No", 1), (b".", 0)]


async def test_a_client_that_pauses_gets_the_rest_of_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "PAUSE_SECONDS", 0.01)
    peer = Peer(b"1", b"2", ends=False)
    await asyncio.wait_for(peer.lingering().send(dict(ANSWER)), 10)
    assert peer.told == [(b"No", 2), (b".", 0)]


async def test_a_client_that_never_ends_gets_the_rest_of_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "LINGER_SECONDS", 0.05)
    peer = Peer(b"1", ends=False)

    async def endless() -> Message:
        await asyncio.sleep(0.001)
        return {"type": "http.request", "body": b"x", "more_body": True}

    await asyncio.wait_for(Lingering(endless, peer.send, expects=False).send(dict(ANSWER)), 10)
    assert [body for body, _ in peer.told] == [b"No", b"."]
