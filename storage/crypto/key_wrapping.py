"""Wraps the keys of patients, directory and audit under a wrapping key, which CSFLE guards.

    wrapped = 0x11 | generation of the wrapping key (2 bytes) | nonce (12) | AES-256-GCM(secret, aad = key id)

One level between vault and patient keys. CSFLE costs some 100 us for each value, in Python; a new patient paid that in every
create, and a page of 100 cold patients 4 ms. AES-GCM costs 2 us and binds the key id (see DECISIONS.md). The wrapping key
itself is kept like the service's other secrets (`service_keys.py`), every generation CSFLE-encrypted in `index_keys`, and is
loaded through the vault again every `NEWEST_SECONDS`: without KMS nothing is wrapped or unwrapped after that minute.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from bson.binary import Binary
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import IntegrityFailure

if TYPE_CHECKING:
    from storage.crypto.wrapped_keys import WrappedKeys

PURPOSE = "wrapping"
NEWEST_SECONDS = 60.0
"""How long a process may go on under a wrapping key that `keys rotate` has replaced, or that the KMS has withdrawn."""
_MARK = 0x11
_HEAD, _NONCE = 3, 12
_CONTEXT = "chartvault/key/1|"


class Wrapper(Protocol):
    """Wraps and unwraps secrets. Implemented by `vault.Vault` and `KeyWrapping`."""

    async def wrap(self, keys: Sequence[tuple[str, bytes]]) -> list[Binary]:
        """Wrap `(key id, secret)` pairs, in order. Raises `Unavailable` when the key above cannot be used."""
        ...

    async def unwrap(self, keys: Sequence[tuple[str, Binary]]) -> list[bytes | None]:
        """The secret of each `(key id, wrapped)` pair, in order; `None` where the value is damaged or was moved."""
        ...

    async def is_newest(self, wrapped: object) -> bool:
        """Whether a wrapped value is under the newest key of the level above."""
        ...

    def forget(self) -> None:
        """Look the level above up again before the next use."""
        ...


class KeyWrapping:
    """The wrapping keys of all generations; the newest wraps."""

    def __init__(self, stored: WrappedKeys, clock: Callable[[], float] = time.monotonic) -> None:
        self._stored = stored
        self._clock = clock
        self._ciphers: list[AESGCM | None] = []
        self._checked = float("-inf")

    def __repr__(self) -> str:
        return f"KeyWrapping({len(self._ciphers)} generations)"

    async def wrap(self, keys: Sequence[tuple[str, bytes]]) -> list[Binary]:
        await self._load()
        generation, cipher = len(self._ciphers), self._ciphers[-1] if self._ciphers else None
        if cipher is None:
            raise IntegrityFailure("The wrapping key cannot be unwrapped: wrong master key or vault")
        head = bytes([_MARK]) + generation.to_bytes(2)
        wrapped = []
        for key_id, secret in keys:
            nonce = os.urandom(_NONCE)
            wrapped.append(Binary(head + nonce + cipher.encrypt(nonce, secret, (_CONTEXT + key_id).encode())))
        return wrapped

    async def unwrap(self, keys: Sequence[tuple[str, Binary]]) -> list[bytes | None]:
        await self._load()
        if any(_generation(wrapped) > len(self._ciphers) for _, wrapped in keys):
            await self._load(again=True)  # another process has rotated
        return [self._opened(key_id, wrapped) for key_id, wrapped in keys]

    async def is_newest(self, wrapped: object) -> bool:
        await self._load()
        return _generation(wrapped) == len(self._ciphers)

    def forget(self) -> None:
        """Load the generations again before the next use."""
        self._checked = float("-inf")

    async def _load(self, *, again: bool = False) -> None:
        if again or self._clock() - self._checked >= NEWEST_SECONDS:
            secrets = await self._stored.secrets(PURPOSE)
            self._ciphers = [AESGCM(secret) if secret is not None else None for secret in secrets]
            self._checked = self._clock()

    def _opened(self, key_id: str, wrapped: object) -> bytes | None:
        generation = _generation(wrapped)
        if not 0 < generation <= len(self._ciphers) or not isinstance(wrapped, bytes):
            return None
        cipher = self._ciphers[generation - 1]
        nonce, sealed = wrapped[_HEAD : _HEAD + _NONCE], wrapped[_HEAD + _NONCE :]
        if cipher is None:
            return None
        try:
            return cipher.decrypt(nonce, sealed, (_CONTEXT + key_id).encode())
        except (InvalidTag, ValueError):
            return None


def _generation(wrapped: object) -> int:
    """The generation a value is wrapped under, 0 for anything that is no wrapped key."""
    if not isinstance(wrapped, bytes) or len(wrapped) <= _HEAD + _NONCE or wrapped[0] != _MARK:
        return 0
    return int.from_bytes(wrapped[1:_HEAD])
