"""The result of a run: medians and spreads of its rounds, ratios to ceilings and peer, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import msgspec
from rich.table import Column, Table

from api.bench.documents import WAYS, Transfers
from api.bench.engine import Round, describe
from api.bench.footprint import Footprint


class Result(msgspec.Struct, frozen=True):
    """All rounds of one cell against one target at one number of connections.

    `ceiling` is what the bare database gave for the nearest operation right before and after, per second.
    """

    cell: str
    target: str
    connections: int
    counts_resources: bool
    rounds: tuple[Round, ...]
    ceiling: float | None = None

    @property
    def wrong(self) -> dict[str, int]:
        """Answers that were not what they had to be, over all rounds; one is enough to void the result."""
        found: dict[str, int] = {}
        for measured in self.rounds:
            for what, count in measured.wrong.items():
                found[what] = found.get(what, 0) + count
        return found

    @property
    def void(self) -> bool:
        return bool(self.wrong) or not any(measured.requests for measured in self.rounds)

    @property
    def rates(self) -> list[float]:
        """Per round: requests per second, for an import resources per second."""
        return [r.resource_rate if self.counts_resources else r.rate for r in self.rounds]

    def median_of(self, what: Callable[[Round], float | None]) -> float | None:
        found = [value for value in map(what, self.rounds) if value is not None]
        return median(found) if found else None


class Report(msgspec.Struct, frozen=True):
    """One run: under which conditions, what came out, and what the bare database gave meanwhile."""

    conditions: dict[str, Any]
    results: tuple[Result, ...]
    calibrations: tuple[dict[str, float], ...]
    footprints: dict[str, Footprint] = {}
    documents: dict[str, Transfers] = {}

    @property
    def void(self) -> bool:
        return any(result.void for result in self.results)

    def result(self, cell: str, target: str, connections: int) -> Result | None:
        return next((r for r in self.results if (r.cell, r.target, r.connections) == (cell, target, connections)), None)


def as_json(report: Report) -> bytes:
    """Everything, machine-readable: the rounds as measured and the medians as printed."""
    rows = [_row(report, result) for result in report.results]
    content = {
        "conditions": report.conditions,
        "calibrations": report.calibrations,
        "results": rows,
        "slopes": slopes(report),
        "documents": report.documents,
        "index_bytes_per_resource": {name: each.per_resource for name, each in report.footprints.items()},
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2)


def tables(report: Report) -> Sequence[Table]:
    """The report for people: one line per result, one table of ceilings."""
    documents = [_transferred(name, found) for name, found in report.documents.items()]
    if not report.results:
        return documents
    figures = Table(Column("cell", no_wrap=True), "target", title="Benchmark", title_justify="left")
    for heading in (
        "conn.",
        "per second",
        "spread",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "each",
        "CPU-ms",
        "of ceiling",
        "x peer",
    ):
        figures.add_column(heading, justify="right")
    for result in report.results:
        figures.add_row(*_cells(_row(report, result)))
    grown = _grown(report)
    if not report.calibrations:
        return [figures, *grown, *documents]
    ceilings = Table("the bare database, 16 callers", title="Calibration", title_justify="left")
    for heading in ("readings", "per second", "spread"):
        ceilings.add_column(heading, justify="right")
    for name in report.calibrations[0]:
        found = sorted(calibration[name] for calibration in report.calibrations if name in calibration)
        ceilings.add_row(name, str(len(found)), f"{median(found):,.0f}", f"{found[0]:,.0f}-{found[-1]:,.0f}")
    return [figures, *grown, *documents, ceilings]


def _transferred(target: str, found: Transfers) -> Table:
    grown = "unknown" if found.grown_mb is None else f"{found.grown_mb:,.0f} MB"
    title = f"Documents of {found.size_mb:,.0f} MB, {target}: memory grew by {grown}"
    table = Table("way", title=title, title_justify="left")
    for heading in ("MB per second", "spread", "of a plain copy"):
        table.add_column(heading, justify="right")
    for name in (*WAYS, "plain_upload", "plain_download"):
        rates: tuple[float, ...] = getattr(found, name)
        share = f"{found.of_plain(name):.2f}" if name in WAYS else ""
        table.add_row(name, f"{median(rates):,.0f}", f"{min(rates):,.0f}-{max(rates):,.0f}", share)
    table.add_row("64 KiB from the middle", f"{found.range_ms[0]:.1f} ms", f"to {found.range_ms[1]:.1f} ms", "")
    return table


def slopes(report: Report) -> list[dict[str, Any]]:
    """growth: p50 at the largest size against the smallest, per search, target and connections; and the same of the CPU
    time of a request, which a busy machine disturbs less."""
    found: dict[tuple[str, str, int], list[tuple[int, float, float | None]]] = {}
    for result in report.results:
        parts = result.cell.split("/")
        p50, cpu = result.median_of(lambda r: r.p50_ms), result.median_of(lambda r: r.cpu_ms)
        if parts[0] == "growth" and not result.void and p50 is not None:
            found.setdefault((parts[2], result.target, result.connections), []).append((int(parts[1]), p50, cpu))
    return [
        {"search": search, "target": target, "connections": connections}
        | {"people": [size for size, _, _ in points], "p50_ms": [p50 for _, p50, _ in points]}
        | {"slope": _slope([p50 for _, p50, _ in points]), "cpu_slope": _slope([cpu for _, _, cpu in points])}
        for (search, target, connections), points in found.items()
        if len(points) > 1
    ]


def _slope(values: Sequence[float | None]) -> float | None:
    first, last = values[0], values[-1]
    return last / first if first and last is not None else None


def _grown(report: Report) -> list[Table]:
    rows = slopes(report)
    if not rows:
        return []
    table = Table("search", "target", title="Growth", title_justify="left")
    for heading in ("conn.", "people", "p50 ms", "slope", "of CPU-ms"):
        table.add_column(heading, justify="right")
    for row in rows:
        people = " / ".join(f"{size:,}" for size in row["people"])
        p50 = " / ".join(f"{milliseconds:.1f}" for milliseconds in row["p50_ms"])
        steepness = ("" if row[name] is None else f"{row[name]:.2f}" for name in ("slope", "cpu_slope"))
        table.add_row(row["search"], row["target"], str(row["connections"]), people, p50, *steepness)
    tables_ = [table]
    if report.footprints:
        last = list(report.footprints.values())[-1]
        weights = Table("index", title=f"Bytes per resource, {last.resources:,} resources", title_justify="left")
        weights.add_column("bytes", justify="right")
        for name, size in last.per_resource.items():
            weights.add_row(name, f"{size:,.0f}")
        tables_.append(weights)
    return tables_


def _row(report: Report, result: Result) -> dict[str, Any]:
    rates = sorted(result.rates)
    peer = report.result(result.cell, "peer", result.connections) if result.target == "base" else None
    usable = not result.void
    return {
        "cell": result.cell,
        "target": result.target,
        "connections": result.connections,
        "unit": "resources" if result.counts_resources else "requests",
        "void": result.void,
        "wrong": result.wrong,
        "rate": median(rates),
        "spread": [rates[0], rates[-1]],
        "p50_ms": result.median_of(lambda r: r.p50_ms),
        "p95_ms": result.median_of(lambda r: r.p95_ms),
        "p99_ms": result.median_of(lambda r: r.p99_ms),
        "cpu_ms": result.median_of(lambda r: r.cpu_ms),
        "ceiling": result.ceiling,
        "of_ceiling": median(rates) / result.ceiling if result.ceiling and usable and result.target == "base" else None,
        "each": result.median_of(lambda r: r.resources / r.requests if r.requests else None),
        "times_peer": median(rates) / median(peer.rates) if peer and usable and not peer.void else None,
        "rounds": result.rounds,
    }


def _cells(row: dict[str, Any]) -> list[str]:
    head = [row["cell"], row["target"], str(row["connections"])]
    if row["void"]:
        return [*head, "void", describe(row["wrong"]) or "no answer"]
    low, high = row["spread"]
    return [
        *head,
        f"{row['rate']:,.0f}" + (" res" if row["unit"] == "resources" else ""),
        f"{low:,.0f}-{high:,.0f}",
        *(f"{row[name]:.1f}" for name in ("p50_ms", "p95_ms", "p99_ms")),
        *("" if row[name] is None else f"{row[name]:.2f}" for name in ("each", "cpu_ms", "of_ceiling", "times_peer")),
    ]
