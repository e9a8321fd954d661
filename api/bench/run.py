"""One benchmark run: which cells, against whom, how often; rounds of base and peer alternate (ABAB)."""

from __future__ import annotations

import os
import platform
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from api.bench.cells import cells_of
from api.bench.engine import Cell, Round, measure, prepare
from api.bench.processes import CpuMeter
from api.bench.report import Report, Result
from api.http_client import Client

IMPORT_CONNECTIONS = (1, 4)
"""An import is measured with one client and with four, whatever the other cells use."""


class Plan(NamedTuple):
    """What to measure. `warmup` and `seconds` are per round."""

    cells: list[str]
    connections: list[int]
    seconds: float
    warmup: float
    rounds: int
    bundles: list[tuple[bytes, int]] | None = None


class Target(NamedTuple):
    """A server to measure: `name` is `base` or `peer`."""

    name: str
    base: str
    token: str | None
    meter: CpuMeter

    def __repr__(self) -> str:
        return f"Target({self.name}, {self.base})"

    def client(self, connections: int) -> Client:
        headers = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return Client(self.base, headers=headers, connections=connections, seconds=300.0)


async def run(
    plan: Plan,
    targets: Sequence[Target],
    *,
    calibrate: Callable[[], Awaitable[dict[str, float]]] | None,
    told: Callable[[str], object],
) -> Report:
    """Carry out the plan; `told` hears each step. Calibrations run before the first and after the last cell.

    Raises `Wrong` when a cell cannot even be prepared.
    """
    calibrations = [await _calibrated(calibrate, told)] if calibrate else []
    sets = [cells_of(plan.cells, plan.bundles) for _ in targets]
    results: list[Result] = []
    for together in zip(*sets, strict=True):
        for target, cell in zip(targets, together, strict=True):
            async with target.client(16) as client:
                await prepare(cell, client)
        for connections in IMPORT_CONNECTIONS if together[0].counts_resources else plan.connections:
            results += await _abab(plan, targets, together, connections, told)
    if calibrate:
        calibrations.append(await _calibrated(calibrate, told))
    return Report(_conditions(plan, targets), tuple(results), tuple(calibrations))


async def _calibrated(
    calibrate: Callable[[], Awaitable[dict[str, float]]], told: Callable[[str], object]
) -> dict[str, float]:
    told("calibrating the database")
    return await calibrate()


async def _abab(
    plan: Plan, targets: Sequence[Target], cells: Sequence[Cell], connections: int, told: Callable[[str], object]
) -> list[Result]:
    rounds: list[list[Round]] = [[] for _ in targets]
    for number in range(plan.rounds):
        for target, cell, measured in zip(targets, cells, rounds, strict=True):
            told(f"{cell.name}, {connections} connections, {target.name}, round {number + 1} of {plan.rounds}")
            async with target.client(connections) as client:
                measured.append(
                    await measure(
                        cell, client, connections, warmup=plan.warmup, seconds=plan.seconds, meter=target.meter
                    )
                )
    return [
        Result(cell.name, target.name, connections, cell.counts_resources, tuple(measured))
        for target, cell, measured in zip(targets, cells, rounds, strict=True)
    ]


def _conditions(plan: Plan, targets: Sequence[Target]) -> dict[str, object]:
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "load": list(os.getloadavg()),
        "seconds": plan.seconds,
        "warmup": plan.warmup,
        "rounds": plan.rounds,
        "targets": {target.name: target.base for target in targets},
        "resident_mb": {target.name: target.meter.resident_mb() for target in targets},
    }
