"""Promises in seconds, in tests that show more than that. `CHARTVAULT_DEADLINES=1` holds to them, on a quiet machine.

In the run of all tests four processes share what processors there are, and whoever waits for one breaks no promise.
What is nothing but a figure is in `tests/benchmarks`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

HELD = bool(os.environ.get("CHARTVAULT_DEADLINES"))


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is done inside takes no longer than this."""
    began = time.monotonic()
    yield
    taken = time.monotonic() - began
    assert not HELD or taken < seconds, f"{taken:.2f} s instead of {seconds} s"
