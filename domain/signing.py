"""The keys that sign what this installation says of people: which there are, which signs now, when the next takes over.

A new key is published before it signs, and stays published after the next has taken over for as long as something it signed
may be in use: rotation is seen by nobody (https://openid.net/specs/openid-connect-core-1_0.html#RotateSigKeys). A key that
leaked is revoked instead: nothing it signed is believed any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal, Protocol, TypeAlias

import msgspec

Use: TypeAlias = Literal["access", "id"]
"""Access tokens, read by us alone; identity tokens, read by apps."""

USES: tuple[Use, ...] = ("access", "id")
PUBLISHED_BEFORE = timedelta(minutes=5)
BELIEVED_AFTER = timedelta(days=1)
RENEWED_AFTER = timedelta(days=90)


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One private key (PKCS #8, DER). `number` counts the keys of one use, `since` is when it starts to sign."""

    use: Use
    number: int
    id: str
    algorithm: str
    private: bytes
    since: datetime
    revoked: datetime | None = None

    def __repr__(self) -> str:
        return f"KeyRow({self.use}, {self.id})"


class SigningKeys(Protocol):
    """Implemented by `storage.mongo.signing_keys`: shared by every process and machine of an installation."""

    async def all(self) -> Sequence[KeyRow]:
        """Every key, sealed ones that cannot be opened left out."""
        ...

    async def add(self, key: KeyRow) -> bool:
        """Store a new key; false when another process has just stored one of that use and number."""
        ...

    async def revoke(self, at: datetime) -> int:
        """Stop believing every key there is; new ones are made at once. How many."""
        ...


def believed(keys: Iterable[KeyRow], now: datetime) -> list[KeyRow]:
    """Those whose signatures are good now, newest first; some of them do not sign yet, or no more."""
    found: list[KeyRow] = []
    for use in USES:
        newer: KeyRow | None = None
        for key in sorted((key for key in keys if key.use == use), key=lambda key: -key.number):
            if key.revoked is None and (newer is None or now < newer.since + BELIEVED_AFTER):
                found.append(key)
            newer = key
    return found


def signing_now(keys: Iterable[KeyRow], use: Use, now: datetime) -> KeyRow | None:
    """The newest key of a use that signs already."""
    ready = [key for key in believed(keys, now) if key.use == use and key.since <= now]
    return max(ready, key=lambda key: key.number, default=None)


def next_number(keys: Iterable[KeyRow], use: Use, now: datetime) -> int | None:
    """The number of the key that has to be made now; `None` while the newest is good and young enough."""
    newest = max((key for key in keys if key.use == use), key=lambda key: key.number, default=None)
    if newest is None:
        return 1
    too_old = now >= newest.since + RENEWED_AFTER
    return newest.number + 1 if too_old or newest.revoked is not None else None
