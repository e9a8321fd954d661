"""Closed loops over HTTP: N workers, each with one request under way, warmed up, measured, checked.

A round is only a figure when every answer had the status it had to have; what was wrong is counted, by method and
status.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from api.bench.processes import CpuMeter
from api.http_client import Answer, Client, HttpError


class Wrong(Exception):
    """An answer without which a unit of work cannot go on; already counted."""


class Told(Protocol):
    """Hears each step, and how far a long one has come."""

    def __call__(self, step: str, done: int | None = None, total: int | None = None) -> object: ...


class Round(msgspec.Struct, frozen=True):
    """One measured round. Rates per second, times in milliseconds, `cpu_ms` per request of server and database.

    `resources` are those written, or for a search those found."""

    seconds: float
    requests: int
    resources: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_ms: float | None
    wrong: dict[str, int]

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    @property
    def resource_rate(self) -> float:
        return self.resources / self.seconds


class Session:
    """What the workers of one round share: the client, and the record of every answer."""

    def __init__(self, client: Client, connections: int, told: Told = lambda step, done=None, total=None: None) -> None:
        self.client = client
        self.connections = connections
        self.told = told
        self.latencies = array("d")
        self.resources = 0
        self.wrong: Counter[str] = Counter()
        self.running = True

    def restart(self) -> None:
        """Forget the warm-up; wrong answers stay counted."""
        self.latencies = array("d")
        self.resources = 0

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        expect: Sequence[int],
        resources: int = 1,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One timed request. Raises `Wrong` when the status is not one of `expect`."""
        started = time.perf_counter()
        try:
            answer = await self.client.request(method, path, body, headers)
        except HttpError as error:
            self.wrong[f"{method} {error}"] += 1
            raise Wrong from error
        self.latencies.append(time.perf_counter() - started)
        if answer.status not in expect:
            self.wrong[f"{method} {answer.status}"] += 1
            raise Wrong
        self.resources += resources
        return answer


class Cell(Protocol):
    """A workload. `name` is its name on the command line; `counts_resources`: its figure is resources per second."""

    name: str
    counts_resources: bool

    async def prepare(self, session: Session) -> None:
        """Whatever must exist first; done once per target, not measured."""
        ...

    async def unit(self, session: Session, worker: int) -> None:
        """One unit of work of one worker: one request or a chain of them."""
        ...

    async def verify(self, session: Session) -> None:
        """After a round: what was acknowledged must be there. Problems go to `session.wrong`."""
        ...


async def measure(
    cell: Cell, client: Client, connections: int, *, warmup: float, seconds: float, meter: CpuMeter
) -> Round:
    """Run `connections` workers for `warmup` + `seconds` and measure the latter.

    Cells that count resources have long requests: they are measured until the last one is answered.
    """
    session = Session(client, connections)
    workers = [asyncio.create_task(_work(cell, session, worker)) for worker in range(connections)]
    await asyncio.sleep(warmup)
    session.restart()
    started, cpu = time.perf_counter(), meter.seconds()
    await asyncio.sleep(seconds)
    if cell.counts_resources:
        session.running = False
        await asyncio.gather(*workers)
    elapsed, spent = time.perf_counter() - started, meter.seconds()
    latencies, resources = session.latencies, session.resources
    session.restart()
    session.running = False
    await asyncio.gather(*workers)
    await cell.verify(session)
    used = (spent - cpu) * 1000 / len(latencies) if cpu is not None and spent is not None and latencies else None
    return _round(elapsed, latencies, resources, used, session.wrong)


async def prepare(cell: Cell, client: Client, told: Told = lambda step, done=None, total=None: None) -> None:
    """Prepare a cell. Raises `Wrong` with what went wrong when it cannot be."""
    session = Session(client, 16, told)
    try:
        await cell.prepare(session)
    except Wrong as error:
        raise Wrong(f"{cell.name} cannot be prepared: {describe(session.wrong)}") from error


async def side_by_side(count: int, at_once: int, work: Callable[[int], Awaitable[None]]) -> None:
    """`work(0)` … `work(count - 1)`, `at_once` at a time."""
    numbers = iter(range(count))

    async def one() -> None:
        for number in numbers:
            await work(number)

    await asyncio.gather(*(one() for _ in range(at_once)))


def describe(wrong: Mapping[str, int]) -> str:
    return ", ".join(f"{what} x {count}" for what, count in sorted(wrong.items()))


async def _work(cell: Cell, session: Session, worker: int) -> None:
    while session.running:
        try:
            await cell.unit(session, worker)
        except Wrong:
            # A broken server answers fast: do not let errors become a busy loop.
            await asyncio.sleep(0.05)


def _round(
    elapsed: float, latencies: array[float], resources: int, cpu_ms: float | None, wrong: Mapping[str, int]
) -> Round:
    ordered = sorted(latencies)
    p50, p95, p99 = (
        ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else 0.0
        for share in (0.5, 0.95, 0.99)
    )
    return Round(elapsed, len(ordered), resources, p50, p95, p99, cpu_ms, dict(wrong))
