"""What goes on beside the requests: reading the stored search parameters, carrying out jobs, sweeping blobs.

A failure never ends it: what did not work is tried again at the next turn, and logged without content.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from api.logs import log
from domain.errors import DomainError

EVERY_SECONDS = 1.0
_STOP_SECONDS = 1.0


@asynccontextmanager
async def repeated(
    name: str, action: Callable[[], Awaitable[None]], *, seconds: float | None = None
) -> AsyncIterator[None]:
    """While inside, carry out `action` again and again, `seconds` apart (`EVERY_SECONDS`); stopped between two or in the
    middle of one."""
    task = asyncio.create_task(_repeat(name, action, EVERY_SECONDS if seconds is None else seconds))
    try:
        yield
    finally:
        while not task.done():  # what is cancelled may finish what it was at, and would begin again
            task.cancel()
            await asyncio.wait([task], timeout=_STOP_SECONDS)


async def _repeat(name: str, action: Callable[[], Awaitable[None]], seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await action()
        except DomainError as error:
            log.warning("background work waits", work=name, kind=type(error).__name__)
        except Exception as error:
            log.error("background work failed", work=name, kind=type(error).__name__)


async def patiently(turn: Callable[[], Awaitable[None]]) -> None:
    """For a turn that waits for work by itself: one that fails is not begun again at once."""
    try:
        await turn()
    except Exception:
        await asyncio.sleep(EVERY_SECONDS)
        raise
