"""Adaptive batching: one batch in flight, and what arrives meanwhile forms the next.

An idle batcher runs a request at once, so one caller alone loses nothing; under load the batch grows by itself to what
one round trip can carry. No timer, no fixed size. Serves commits, reads by id, new keys and audit entries
(DESIGN "Adaptive batching"; measured in `DECISIONS.md`).

Invariants: a caller that gives up never disturbs the others of its batch; every job is answered exactly once; a job the
runner leaves unanswered leads the next batch.
"""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from domain.errors import Unavailable

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Job(Generic[Item, Answer]):
    """One request waiting for its answer.

    A runner that leaves a job unanswered may set `pause_seconds`: it comes again after that time, and meanwhile holds
    up nobody.
    """

    __slots__ = ("_future", "item", "pause_seconds", "weight")

    def __init__(self, item: Item, weight: int, future: asyncio.Future[Answer]) -> None:
        self.item = item
        self.weight = weight
        self.pause_seconds = 0.0
        self._future = future

    @property
    def answered(self) -> bool:
        """Also true when the caller has gone away."""
        return self._future.done()

    def answer(self, value: Answer) -> None:
        if not self._future.done():
            self._future.set_result(value)

    def fail(self, error: BaseException) -> None:
        """Raise a copy of `error` at the caller: one exception must not collect the tracebacks of a whole batch."""
        if not self._future.done():
            own = copy.copy(error)
            own.__cause__ = error.__cause__
            self._future.set_exception(own)


Run = Callable[[Sequence[Job[Item, Answer]]], Awaitable[None]]


class OneInFlight(Generic[Item, Answer]):
    """Hands jobs to `run` in batches, never two at a time.

    `run` answers or fails the jobs it was given; those it leaves unanswered come again. What it raises fails all that
    are still unanswered. A batch has at most `most` jobs and, unless it is one job, a weight of at most `heaviest`.
    """

    def __init__(
        self,
        run: Run[Item, Answer],
        *,
        most: int,
        heaviest: int | None = None,
        weigh: Callable[[Item], int] = lambda _: 1,
    ) -> None:
        self._run = run
        self._most = most
        self._heaviest = heaviest if heaviest is not None else most
        self._weigh = weigh
        self._waiting: deque[Job[Item, Answer]] = deque()
        self._paused: dict[Job[Item, Answer], asyncio.TimerHandle] = {}
        self._runner: asyncio.Task[None] | None = None
        self._closed = False

    async def submit(self, item: Item) -> Answer:
        """The answer to `item`, from whichever batch it ends up in. Raises `Unavailable` after `close`."""
        if self._closed:
            raise Unavailable("The server is shutting down")
        job: Job[Item, Answer] = Job(item, self._weigh(item), asyncio.get_running_loop().create_future())
        self._enter(job)
        return await job._future

    async def close(self) -> None:
        """Refuse new jobs and wait until those already accepted are answered."""
        self._closed = True
        for job, timer in list(self._paused.items()):
            timer.cancel()
            self._enter(job)
        if self._runner is not None:
            await asyncio.shield(self._runner)

    def _enter(self, job: Job[Item, Answer]) -> None:
        self._paused.pop(job, None)
        self._waiting.append(job)
        if self._runner is None:
            self._runner = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        try:
            while batch := self._next():
                await self._serve(batch)
                # Callers just answered run now and may ask again: they join this batch instead of trailing it for ever
                # as a second, alternating one.
                await asyncio.sleep(0)
        finally:
            self._runner = None

    def _next(self) -> list[Job[Item, Answer]]:
        batch: list[Job[Item, Answer]] = []
        weight = 0
        while self._waiting and len(batch) < self._most:
            job = self._waiting[0]
            if job.answered:
                self._waiting.popleft()
                continue
            weight += job.weight
            if batch and weight > self._heaviest:
                break
            batch.append(self._waiting.popleft())
        return batch

    async def _serve(self, batch: list[Job[Item, Answer]]) -> None:
        try:
            await self._run(batch)
        except BaseException as error:
            for job in batch:
                job.fail(error if isinstance(error, Exception) else Unavailable("The server is shutting down"))
            if not isinstance(error, Exception):
                self._abandon()
                raise
        left = [job for job in batch if not job.answered]
        self._waiting.extendleft(job for job in reversed(left) if not job.pause_seconds)
        for job in left:
            if job.pause_seconds:
                self._pause(job)

    def _pause(self, job: Job[Item, Answer]) -> None:
        if self._closed:
            job.fail(Unavailable("The server is shutting down"))
            return
        self._paused[job] = asyncio.get_running_loop().call_later(job.pause_seconds, self._enter, job)
        job.pause_seconds = 0.0

    def _abandon(self) -> None:
        """The runner itself was cancelled (the loop is ending): nobody may be left waiting for ever."""
        for job, timer in self._paused.items():
            timer.cancel()
            job.fail(Unavailable("The server is shutting down"))
        while self._waiting:
            self._waiting.popleft().fail(Unavailable("The server is shutting down"))


class Breath:
    """Tells long loops when to let others run: at most `milliseconds` of work between two breaths.

    Use as `if breath.due(): await breath.take()`; the check costs 60 ns.
    """

    __slots__ = ("_clock", "_last", "_most")

    def __init__(self, milliseconds: float = 4.0) -> None:
        self._clock = asyncio.get_running_loop().time
        self._most = milliseconds / 1000
        self._last = self._clock()

    def due(self) -> bool:
        return self._clock() - self._last > self._most

    async def take(self) -> None:
        await asyncio.sleep(0)
        self._last = self._clock()
