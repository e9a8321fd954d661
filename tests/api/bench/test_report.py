"""How results are summed up."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from api.bench.engine import Round
from api.bench.footprint import Footprint
from api.bench.report import Report, Result, as_json, tables


def a_round(requests: int, **wrong: int) -> Round:
    return Round(10.0, requests, requests * 5, 1.0, 2.0, 3.0, 0.5, wrong)


def report(*results: Result) -> Report:
    return Report({"rounds": 3}, results, ({"find": 1000.0}, {"find": 3000.0}))


def result(target: str, *requests: int, resources: bool = False, ceiling: float | None = None) -> Result:
    return Result("read", target, 16, resources, tuple(a_round(n) for n in requests), ceiling)


def test_the_median_counts_and_the_spread_is_told() -> None:
    (row,) = json.loads(as_json(report(result("base", 100, 900, 200))))["results"]
    assert (row["rate"], row["spread"], row["unit"]) == (20.0, [10.0, 90.0], "requests")


def test_an_import_is_told_in_resources() -> None:
    (row,) = json.loads(as_json(report(result("base", 100, resources=True))))["results"]
    assert (row["rate"], row["unit"]) == (50.0, "resources")


def test_ratios_to_ceiling_and_peer() -> None:
    ours, theirs = json.loads(as_json(report(result("base", 400, ceiling=80.0), result("peer", 100))))["results"]
    assert (ours["of_ceiling"], ours["times_peer"]) == (0.5, 4.0)
    assert (theirs["of_ceiling"], theirs["times_peer"]) == (None, None)


def test_a_void_result_shows_no_figure() -> None:
    void = Result("read", "base", 16, False, (a_round(100), a_round(100, **{"GET 500": 2})))
    out = io.StringIO()
    console = Console(file=out, width=130)
    for table in tables(report(void)):
        console.print(table)
    assert "void" in out.getvalue()
    assert "GET 500 x 2" in out.getvalue()
    assert " 10 " not in out.getvalue()
    (row,) = json.loads(as_json(report(void)))["results"]
    assert row["void"] is True
    assert row["of_ceiling"] is None


def test_growth_is_told_as_a_slope_and_bytes_per_resource() -> None:
    grown = [
        Result(f"growth/{size}/search_name", "base", 16, False, (Round(1.0, 100, 200, p50, 9.0, 9.0, cpu, {}),))
        for size, p50, cpu in ((1000, 4.0, 0.5), (100000, 5.0, 0.6))
    ]
    weighed = Footprint(200, 40_000, {"terms": 60_000, "_id_": 20_000})
    found = json.loads(as_json(Report({}, tuple(grown), (), {"growth/100000/search_name": weighed})))
    (slope,) = found["slopes"]
    assert (slope["search"], slope["slope"], slope["people"]) == ("search_name", 1.25, [1000, 100000])
    assert slope["cpu_slope"] == pytest.approx(1.2)
    per_resource = found["index_bytes_per_resource"]["growth/100000/search_name"]
    assert per_resource == {"terms": 300.0, "_id_": 100.0, "all": 400.0}
    assert found["results"][0]["each"] == 2.0
