"""Answers that come before the request has: the client gets them, because what it still sends is taken and thrown away.

Closing a connection on which unread bytes arrive resets it, and a reset may destroy the answer before the client reads it
(https://www.rfc-editor.org/rfc/rfc9112#section-9.6). So the rest of the body is read until it ends, pauses or takes too
long, and only then is the answer over. The HTTP server stops reading when the last byte of an answer is written: that byte
waits, while status and headers already tell who listens that sending on is of no use.
"""

from __future__ import annotations

import asyncio

from api.asgi import Message, Receive, Send

LINGER_SECONDS, PAUSE_SECONDS = 10.0, 2.0
"""How long the rest of a body is taken in all, and how long until its next piece."""


class Lingering:
    """`receive` and `send` of one request with a body."""

    __slots__ = ("_begun", "_expects", "_receive", "_send", "_unread")

    def __init__(self, receive: Receive, send: Send, *, expects: bool) -> None:
        """`expects`: the client sends no body before it is asked to (`Expect: 100-continue`)."""
        self._receive, self._send = receive, send
        self._expects, self._begun, self._unread = expects, False, True

    async def receive(self) -> Message:
        self._begun = True
        message = await self._receive()
        if not message.get("more_body", False):
            self._unread = False
        return message

    async def send(self, message: Message) -> None:
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if last and self._unread and (self._begun or not self._expects):
            body = message.get("body", b"")
            if body:
                await self._send({**message, "body": body[:-1], "more_body": True})
            await self._rest()
            message = {"type": "http.response.body", "body": body[-1:]}
        await self._send(message)

    async def _rest(self) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time() + LINGER_SECONDS
        try:
            async with asyncio.timeout_at(None) as patience:
                while self._unread:
                    patience.reschedule(min(last, loop.time() + PAUSE_SECONDS))
                    await self.receive()
        except TimeoutError:
            self._unread = False
