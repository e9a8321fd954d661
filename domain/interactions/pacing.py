"""Large requests in small steps: the event loop is never held for more than a few milliseconds.

Decoding, checking and describing a resource is pure computation. A Bundle of thousands does it one resource at a time and
lets other requests run in between; its look-ups run side by side, but only so many at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")

TURN_SECONDS = 0.003


class Pace:
    """Awaited between steps; yields to the loop when this turn has used its time."""

    def __init__(self, turn_seconds: float = TURN_SECONDS) -> None:
        self._turn = turn_seconds
        self._start = time.perf_counter()

    async def step(self) -> None:
        if time.perf_counter() - self._start > self._turn:
            await asyncio.sleep(0)
            self._start = time.perf_counter()


async def side_by_side(work: Callable[[_T], Awaitable[_R]], items: Sequence[_T], *, at_once: int = 32) -> list[_R]:
    """`work` on every item, at most `at_once` running together; results in order, the first failure raised."""
    gate = asyncio.Semaphore(at_once)

    async def gated(item: _T) -> _R:
        async with gate:
            return await work(item)

    return list(await asyncio.gather(*(gated(item) for item in items)))
