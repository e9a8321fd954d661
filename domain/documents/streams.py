"""Streams that are given up before their end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def closing(content: AsyncIterator[bytes]) -> AsyncIterator[AsyncIterator[bytes]]:
    """`content` for as long as it is read; what it holds open is let go at the end, wherever that is."""
    try:
        yield content
    finally:
        close = getattr(content, "aclose", None)
        if close is not None:
            await close()
