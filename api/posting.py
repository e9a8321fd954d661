"""Carrying parcels out of the outbox: a few at a time of each channel, each by itself.

Runs in every server process beside the requests (`api/background.py`). Channels do not wait for each other, and a parcel that
takes long takes one lane. Nothing of a parcel is logged but its channel and what the other side said.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial

from api.background import patiently, repeated
from api.logs import log
from domain.accounts.people import People
from domain.clinic.telling import Telling, tell_all
from domain.errors import DomainError
from domain.interactions.parts import Parts
from domain.outbox import Carry, Channel, GivesUp, Outbox, Taken, Undeliverable, pause_after

LANES = 8
LOOK_SECONDS = 1.0
"""How often one looks for what another process has put there, or what is due again."""
CLOSING_SECONDS = 5.0


class Postman:
    """Carries the parcels of one channel: call `turn` again and again, and `close` in the end."""

    def __init__(self, outbox: Outbox, channel: Channel, carry: Carry) -> None:
        self._outbox = outbox
        self._channel = channel
        self._carry = carry
        self._under_way: set[asyncio.Task[None]] = set()

    async def turn(self) -> None:
        """Start on everything that is due as lanes get free, then wait for more. Raises `Unavailable` without database."""
        while (taken := await self._outbox.take(self._channel)) is not None:
            task = asyncio.create_task(self._bring(taken))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            while len(self._under_way) >= LANES:
                await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
        await self._outbox.arrived(self._channel, LOOK_SECONDS)

    async def close(self) -> None:
        """Wait a moment for what is under way; the rest is found in the outbox by whoever comes next."""
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=CLOSING_SECONDS)
            for task in late:
                task.cancel()

    async def _bring(self, taken: Taken) -> None:
        try:
            said = await self._tried(taken)
        except Undeliverable as failure:
            again = None if failure.final else pause_after(taken.tries)
            if again is None:
                log.warning("a parcel was given up", channel=self._channel, said=failure.said)
            await self._noted(self._failed(taken, failure.said, again))
        else:
            await self._noted(self._outbox.sent(taken, said))

    async def _failed(self, taken: Taken, said: str, again: timedelta | None) -> None:
        if again is None and isinstance(self._carry, GivesUp):
            await self._carry.given_up(taken.parcel, said)
        await self._outbox.failed(taken, said, again=again)

    async def _noted(self, note: Awaitable[None]) -> None:
        """What cannot be noted now is delivered again once its time is over."""
        try:
            await note
        except DomainError as error:
            log.warning("a delivery could not be noted", channel=self._channel, kind=type(error).__name__)

    async def _tried(self, taken: Taken) -> str:
        if not taken.parcel.content:
            raise Undeliverable("cannot be opened any more", final=True)
        try:
            return await self._carry(taken.parcel)
        except Undeliverable:
            raise
        except Exception as error:  # a fault of ours must not end the post, and not be tried every half minute
            log.error("a parcel could not be carried", channel=self._channel, kind=type(error).__name__)
            raise Undeliverable("fault here") from None


@asynccontextmanager
async def posting(
    parts: Parts, people: People, telling: Telling, carriers: Mapping[Channel, Carry]
) -> AsyncIterator[None]:
    """While inside, tell what is due, and carry what has to leave."""

    async def tell() -> None:
        await tell_all(parts, people, telling)
        await telling.notices.arrived(LOOK_SECONDS)

    async with AsyncExitStack() as stack:
        for channel, carry in carriers.items():
            postman = Postman(telling.outbox, channel, carry)
            stack.push_async_callback(postman.close)
            await stack.enter_async_context(repeated("post", partial(patiently, postman.turn), seconds=0))
        await stack.enter_async_context(repeated("notices", partial(patiently, tell), seconds=0))
        yield
