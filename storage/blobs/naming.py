"""Names of objects: random, so that they tell nothing, and of one form, so that none can lead outside of the store."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator

from domain.blobs import BlobStore
from domain.errors import Unavailable

_NAME = re.compile(r"[0-9a-f]{32}")
_PROBE = b"chartvault probe"


def new_name() -> str:
    """128 random bits: never used before, and not to be guessed."""
    return secrets.token_hex(16)


def is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def require_name(name: str) -> None:
    """Raises `ValueError` for anything that `new_name` does not make."""
    if not is_name(name):
        raise ValueError("not a name of an object")


async def probed(store: BlobStore) -> None:
    """Put, get and delete a small object; raises `Unavailable` when it does not come back as it went in."""
    name = new_name()

    async def pieces() -> AsyncIterator[bytes]:
        yield _PROBE

    try:
        await store.put(name, pieces())
        found, size = await store.get(name, 0, len(_PROBE))
    finally:
        await store.delete(name)
    if (bytes(found), size) != (_PROBE, len(_PROBE)):
        raise Unavailable("The blob store does not give back what was stored in it")
