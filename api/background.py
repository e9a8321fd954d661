"""What goes on beside the requests: reading the stored search parameters, and carrying out jobs.

A failure never ends it: what did not work is tried again a second later, and logged without content.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from api.logs import log
from domain.errors import DomainError

EVERY_SECONDS = 1.0


@asynccontextmanager
async def repeated(name: str, action: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """While inside, carry out `action` again and again, a second apart; stopped between two or in the middle of one."""
    task = asyncio.create_task(_repeat(name, action))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _repeat(name: str, action: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        try:
            await action()
        except DomainError as error:
            log.warning("background work waits", work=name, kind=type(error).__name__)
        except Exception as error:
            log.error("background work failed", work=name, kind=type(error).__name__)
