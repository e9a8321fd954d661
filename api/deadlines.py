"""Time limits of requests, looked at together a few times a second.

`asyncio.timeout` sets a timer of the loop for each request and takes it back: 3 % of a search. Here a request is an entry
in a set while it runs.

Invariants: what is over its limit is cancelled at most `EVERY_SECONDS` later; a cancellation by somebody else stays one, as
https://docs.python.org/3/library/asyncio-task.html#timeouts has it.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

EVERY_SECONDS = 0.25


class Deadlines:
    """The limits that run now, of one event loop."""

    def __init__(self) -> None:
        self._running: set[Deadline] = set()
        self._timer: asyncio.TimerHandle | None = None

    def within(self, seconds: float) -> Deadline:
        """A context whose work is cancelled after `seconds`, which raises `TimeoutError` then."""
        return Deadline(self, seconds)

    def begin(self, deadline: Deadline) -> None:
        self._running.add(deadline)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY_SECONDS, self._look)

    def end(self, deadline: Deadline) -> None:
        self._running.discard(deadline)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for deadline in [each for each in self._running if each.until <= now]:
            self._running.discard(deadline)
            deadline.expire()
        self._timer = loop.call_later(EVERY_SECONDS, self._look) if self._running else None


class Deadline:
    """One limit. Enter it in the task that does the work."""

    __slots__ = ("_all", "_cancelling", "_expired", "_task", "until")

    def __init__(self, all: Deadlines, seconds: float) -> None:
        self.until = asyncio.get_running_loop().time() + seconds
        self._all = all
        self._expired = False
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0

    def __enter__(self) -> None:
        self._task = task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline is for the work of a task")
        self._cancelling = task.cancelling()
        self._all.begin(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._all.end(self)
        if not self._expired or self._task is None:
            return
        if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """Cancel the work."""
        self._expired = True
        if self._task is not None:
            self._task.cancel()
