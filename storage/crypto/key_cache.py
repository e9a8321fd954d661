"""The keys a process remembers: bounded in number and in time.

A key is forgotten a fixed time after the *start* of the look-up that found it, however often it is used meanwhile.
That time is the whole delay of an erasure: a key destroyed at noon opens nothing after noon plus `ttl_seconds`, in
any process. Entries therefore leave in the order they came (first in, first out), which costs nothing on the hot
path.
"""

from __future__ import annotations

from collections.abc import Callable

from storage.crypto.sealing import SealingKey
from storage.crypto.wrapped_keys import OwnedKeys


class KeyCache:
    """Keys by owner and by key id. `clock` is monotonic, in seconds."""

    def __init__(self, size: int, ttl_seconds: float, clock: Callable[[], float]) -> None:
        self._size = size
        self.ttl_seconds = ttl_seconds
        self.clock = clock
        self._owned: dict[str, tuple[float, OwnedKeys]] = {}
        self._keys: dict[str, tuple[float, SealingKey]] = {}

    def __len__(self) -> int:
        return len(self._owned)

    def __repr__(self) -> str:
        return f"KeyCache({len(self)} owners)"

    def key(self, key_id: str) -> SealingKey | None:
        """The key of that id, if remembered. The hot path of every read: about 0.2 us."""
        entry = self._keys.get(key_id)
        if entry is None or entry[0] <= self.clock():
            return None
        return entry[1]

    def owned(self, owner: str) -> OwnedKeys | None:
        """All keys of an owner (or that it was erased), if remembered."""
        entry = self._owned.get(owner)
        if entry is None or entry[0] <= self.clock():
            return None
        return entry[1]

    def remember(self, owned: OwnedKeys, *, asked: float) -> None:
        """Keep the keys of an owner until `ttl_seconds` after `asked`, the time the look-up began."""
        self.forget(owned.owner)
        expires = asked + self.ttl_seconds
        self._owned[owned.owner] = (expires, owned)
        for key in owned.keys.values():
            self._keys[key.id] = (expires, key)
        self._shrink()

    def forget(self, owner: str) -> None:
        entry = self._owned.pop(owner, None)
        if entry is not None:
            for key in entry[1].keys.values():
                self._keys.pop(key.id, None)

    def _shrink(self) -> None:
        """Drop what is over the size, and from the oldest on what has expired."""
        now = self.clock()
        for owner, (expires, _) in list(self._first()):
            if len(self._owned) <= self._size and expires > now:
                return
            self.forget(owner)

    def _first(self, count: int = 8) -> list[tuple[str, tuple[float, OwnedKeys]]]:
        return [item for item, _ in zip(self._owned.items(), range(count), strict=False)]
