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


@asynccontextmanager
async def repeated(
    name: str, action: Callable[[], Awaitable[None]], *, seconds: float = EVERY_SECONDS
) -> AsyncIterator[None]:
    """While inside, carry out `action` again and again, `seconds` apart; stopped between two or in the middle of one."""
    task = asyncio.create_task(_repeat(name, action, seconds))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _repeat(name: str, action: Callable[[], Awaitable[None]], seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await action()
        except DomainError as error:
            log.warning("background work waits", work=name, kind=type(error).__name__)
        except Exception as error:
            log.error("background work failed", work=name, kind=type(error).__name__)
