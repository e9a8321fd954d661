"""One benchmark run: which cells, against whom, how often; rounds of base and peer alternate (ABAB)."""

from __future__ import annotations

import os
import platform
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

from api.bench.calibration import KINDS
from api.bench.cells import cells_of
from api.bench.documents import Transfers, transfers
from api.bench.engine import Cell, Round, Told, measure, prepare
from api.bench.footprint import Footprint
from api.bench.processes import CpuMeter
from api.bench.report import Report, Result
from api.http_client import Client

IMPORT_CONNECTIONS = (1, 4)
"""An import is measured with one client and with four, whatever the other cells use."""


CEILINGS = {
    "create": "transaction of two",
    "update": "transaction of two",
    "read": "find",
    "import": "documents in batches",
    "tx2": "transaction of two",
    "search_name": "find",
    "search_obs": "find",
}
"""The calibration that a cell is set against."""

Calibrate: TypeAlias = Callable[[Sequence[str]], Awaitable[dict[str, float]]]
Weigh: TypeAlias = Callable[[], Awaitable[Footprint]]


class Plan(NamedTuple):
    """What to measure. `warmup` and `seconds` are per round."""

    cells: list[str]
    connections: list[int]
    seconds: float
    warmup: float
    rounds: int
    bundles: list[tuple[bytes, int]] | None = None
    filled: bool = False
    practitioner: str | None = None
    blob_mb: int = 200


class Target(NamedTuple):
    """A server to measure: `name` is `base` or `peer`."""

    name: str
    base: str
    token: str | None
    meter: CpuMeter

    def __repr__(self) -> str:
        return f"Target({self.name}, {self.base})"

    def client(self, connections: int, token: str | None = None) -> Client:
        """A client with the target's token, or with another one."""
        headers = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
        token = token or self.token
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return Client(self.base, headers=headers, connections=connections, seconds=300.0)


async def run(
    plan: Plan,
    targets: Sequence[Target],
    *,
    calibrate: Calibrate | None,
    told: Told,
    weigh: Weigh | None = None,
) -> Report:
    """Carry out the plan; `told` hears each step. A machine drifts: ceilings are measured beside each cell.

    `weigh` tells what the base stores, asked when growth is done. Raises `Wrong` when a cell cannot even be prepared.
    """
    calibrations: list[dict[str, float]] = []

    async def ceiling(names: Sequence[str]) -> float | None:
        if calibrate is None or not names:
            return None
        told(f"calibrating: {', '.join(names)}")
        calibrations.append(await calibrate(names))
        return calibrations[-1][names[0]]

    if plan.cells != ["blob"]:
        await ceiling(KINDS)
    sets = [cells_of(plan.cells, plan.bundles, filled=plan.filled, practitioner=plan.practitioner) for _ in targets]
    results: list[Result] = []
    for together in zip(*sets, strict=True):
        for target, cell in zip(targets, together, strict=True):
            async with target.client(16) as client:
                await prepare(cell, client, told)
        for connections in IMPORT_CONNECTIONS if together[0].counts_resources else plan.connections:
            names = [CEILINGS[together[0].name]] if together[0].name in CEILINGS else []
            before = await ceiling(names)
            rounds = await _abab(plan, targets, together, connections, told)
            after = await ceiling(names)
            beside = (before + after) / 2 if before is not None and after is not None else None
            results += [
                Result(cell.name, target.name, connections, cell.counts_resources, tuple(measured), beside)
                for target, cell, measured in zip(targets, together, rounds, strict=True)
            ]
    grown = [result.cell for result in results if result.cell.startswith("growth/")]
    footprints: dict[str, Footprint] = {}
    if weigh is not None and grown:
        told("weighing the indexes")
        footprints[grown[-1]] = await weigh()
    documents: dict[str, Transfers] = {}
    for target in targets if "blob" in plan.cells else ():
        documents[target.name] = await transfers(
            target.base, target.token, target.meter, megabytes=plan.blob_mb, rounds=plan.rounds, told=told
        )
    return Report(_conditions(plan, targets), tuple(results), tuple(calibrations), footprints, documents)


async def _abab(
    plan: Plan, targets: Sequence[Target], cells: Sequence[Cell], connections: int, told: Told
) -> list[list[Round]]:
    """The rounds of each target, taken in turns."""
    rounds: list[list[Round]] = [[] for _ in targets]
    for number in range(plan.rounds):
        for target, cell, measured in zip(targets, cells, rounds, strict=True):
            told(f"{cell.name}, {connections} connections, {target.name}, round {number + 1} of {plan.rounds}")
            async with target.client(connections, getattr(cell, "token", None)) as client:
                measured.append(
                    await measure(
                        cell, client, connections, warmup=plan.warmup, seconds=plan.seconds, meter=target.meter
                    )
                )
    return rounds


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
