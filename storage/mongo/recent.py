"""What this process committed in the last seconds: answers stale writes without asking the database.

Fifty writers of one resource read one version and send fifty updates; the first wins, the rest are known to be late.
Only ever used to refuse: the database decides who wins. Forgets after seconds, because claims and receipts expire.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import islice

SECONDS = 5.0
MOST = 20_000


class Recent:
    """Numbers (versions, uses of a claim) by name."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._numbers: dict[str | bytes, tuple[int, float]] = {}

    def remember(self, numbers: Mapping[str | bytes, int]) -> None:
        expires = self._clock() + SECONDS
        for name, number in numbers.items():
            self._numbers.pop(name, None)
            self._numbers[name] = (number, expires)
        if len(self._numbers) > MOST:
            for name in list(islice(self._numbers, len(self._numbers) - MOST)):
                del self._numbers[name]

    def stale(self, expected: Mapping[str | bytes, int]) -> str | bytes | None:
        """The first name that has certainly moved beyond what is expected of it; `None` when none has."""
        known = self._numbers
        for name, number in expected.items():
            found = known.get(name)
            if found is not None and found[0] > number and found[1] > self._clock():
                return name
        return None
