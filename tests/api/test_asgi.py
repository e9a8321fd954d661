"""Bodies are bounded in size and time, replies say how long they are."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from api import asgi
from api.asgi import Disconnected, read_body, send_reply
from api.errors import status_of
from api.fhir.exchange import Reply
from domain.errors import TooLarge, TooSlow


def sending(*messages: dict[str, Any], pause: float = 0) -> Callable[[], Awaitable[dict[str, Any]]]:
    left = iter(messages)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(pause)
        message = next(left, None)
        if message is None:
            await asyncio.sleep(3600)
        assert message is not None
        return message

    return receive


def piece(body: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_in_pieces_is_put_together() -> None:
    assert await read_body(sending(piece(b"ab"), piece(b"c"), piece(b"", more=False)), {}, 3) == b"abc"


async def test_a_body_over_the_limit_is_refused_however_it_comes() -> None:
    with pytest.raises(TooLarge):
        await read_body(sending(piece(b"ab"), piece(b"cd")), {}, 3)
    with pytest.raises(TooLarge):
        await read_body(sending(), {b"content-length": b"4"}, 3)


async def test_a_peer_that_goes_away_is_nobodys_error() -> None:
    with pytest.raises(Disconnected):
        await read_body(sending(piece(b"a"), {"type": "http.disconnect"}), {}, 3)


async def test_a_peer_that_stops_sending_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "PIECE_SECONDS", 0.05)
    with pytest.raises(TooSlow) as refused:
        await read_body(sending(piece(b"a")), {}, 3)
    assert status_of(refused.value) == 408


async def test_a_peer_that_dribbles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "BODY_SECONDS", 0.1)
    with pytest.raises(TooSlow):
        await read_body(sending(*[piece(b"a")] * 100, pause=0.02), {}, 1000)


@pytest.mark.parametrize(("status", "head", "sent"), [(200, False, b"body"), (200, True, b""), (304, False, b"")])
async def test_a_reply_says_how_long_it_is(status: int, head: bool, sent: bytes) -> None:
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    reply = Reply(status, {"etag": 'W/"1"'}, b"" if status == 304 else b"body")
    await send_reply(send, reply, {}, request_id="r", head=head)
    headers = dict(messages[0]["headers"])
    assert headers[b"x-request-id"] == b"r"
    assert headers.get(b"content-length") == (None if status == 304 else b"4")
    assert messages[1]["body"] == sent
