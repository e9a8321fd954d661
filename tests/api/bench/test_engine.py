"""What makes a round a figure, and what voids it. Against scripted servers; real ones are in `commands/test_bench.py`."""

from __future__ import annotations

import itertools

import pytest

from api.bench.cells import Create, Import, Update, cells_of
from api.bench.engine import Round, Session, Wrong, measure, prepare
from api.bench.processes import CpuMeter
from api.bench.report import Result
from api.bench.run import Plan, Target, run
from api.http_client import Client
from tests.api.bench.scripted import Answer, a_server

_ids = itertools.count(1)


def good(request: str) -> tuple[int, str, bytes]:
    if request.startswith("POST"):
        return 201, f"http://x/fhir/Patient/{next(_ids)}/_history/1", b""
    return 200, "", b'{"resourceType":"Patient"}'


async def a_round(answer: Answer, cell: str, **options: float) -> Round:
    async with a_server(answer) as base, Client(base, connections=2) as client:
        (made,) = cells_of([cell])
        await prepare(made, client)
        return await measure(made, client, 2, warmup=0.05, seconds=options.get("seconds", 0.2), meter=CpuMeter([]))


async def test_a_round_counts_what_was_answered_after_the_warm_up() -> None:
    measured = await a_round(good, "create")
    assert measured.wrong == {}
    assert measured.requests > 0
    assert measured.resources == measured.requests
    assert 0.2 <= measured.seconds < 2
    assert 0 < measured.p50_ms <= measured.p99_ms
    assert measured.cpu_ms is None


async def test_one_wrong_status_is_counted_by_method_and_voids_the_result() -> None:
    posts = 0

    def answer(request: str) -> tuple[int, str, bytes]:
        nonlocal posts
        posts += request.startswith("POST")
        return (500, "", b"") if posts == 2 and request.startswith("POST") else good(request)

    measured = await a_round(answer, "create")
    assert measured.wrong == {"POST 500": 1}
    assert Result("create", "base", 2, False, (measured,)).void


async def test_a_round_without_an_answer_is_void() -> None:
    silent = Round(1.0, 0, 0, 0, 0, 0, None, {})
    assert Result("read", "base", 1, False, (silent,)).void


async def test_creates_that_cannot_be_read_back_are_lost_writes() -> None:
    measured = await a_round(lambda request: good(request) if request[0] == "P" else (404, "", b""), "create")
    assert measured.wrong["lost writes"] > 0


async def test_updates_that_left_no_trace_are_lost_writes() -> None:
    measured = await a_round(good, "update")
    assert measured.wrong["lost writes"] > 0


async def test_bundles_of_which_entries_failed_void_an_import() -> None:
    body = b'{"entry":[{"response":{"status":"201 Created"}},{"response":{"status":"400 Bad"}}]}'
    measured = await a_round(lambda request: (200, "", body), "import")
    assert measured.wrong["entries not stored"] > 0


async def test_an_import_counts_every_resource_of_a_bundle() -> None:
    entry = b'{"response":{"status":"201 Created"}}'
    body = b'{"entry":[%s]}' % b",".join([entry] * 3)
    async with a_server(lambda request: (200, "", body)) as base, Client(base) as client:
        measured = await measure(Import([(b"{}", 3)]), client, 1, warmup=0, seconds=0.1, meter=CpuMeter([]))
    assert measured.wrong == {}
    assert measured.resources == 3 * measured.requests
    assert measured.resource_rate == pytest.approx(3 * measured.rate)


async def test_a_cell_that_cannot_be_prepared_says_why() -> None:
    async with a_server(lambda request: (401, "", b"")) as base, Client(base) as client:
        with pytest.raises(Wrong, match=r"read cannot be prepared: POST 401"):
            await prepare(cells_of(["read"])[0], client)


async def test_workers_of_an_update_never_meet_at_one_resource() -> None:
    asked: list[tuple[int, str]] = []

    class Noting(Session):
        worker = 0

        async def ask(self, method: str, path: str, *rest: object, **options: object) -> object:  # type: ignore[override]
            asked.append((self.worker, path))
            return None

    (update,) = cells_of(["update"])
    assert isinstance(update, Update)
    update._ids = [str(number) for number in range(10)]
    update._population.bodies = dict.fromkeys(update._ids, b'{"a":"b","c":"Greta"}')
    session = Noting(Client("http://127.0.0.1:1"), 3)
    for turn in range(300):
        session.worker = turn % 3
        await update.unit(session, session.worker)
    by_path = {path: {worker for worker, p in asked if p == path} for _, path in asked}
    assert len(by_path) == 10
    assert all(len(workers) == 1 for workers in by_path.values())


async def test_base_and_peer_take_turns_and_ceilings_stand_beside_them() -> None:
    told: list[str] = []

    async def ceilings(names: object) -> dict[str, float]:
        return dict.fromkeys(names, 1000.0)  # type: ignore[attr-defined]

    plan = Plan(["create"], [1], seconds=0.05, warmup=0.0, rounds=2)
    async with a_server(good) as ours, a_server(good) as theirs:
        targets = [Target("base", ours, "t", CpuMeter([])), Target("peer", theirs, None, CpuMeter([]))]
        report = await run(plan, targets, calibrate=ceilings, told=told.append)
    assert [text.split(", ")[2] for text in told if text.startswith("create")] == ["base", "peer", "base", "peer"]
    assert [(result.target, len(result.rounds), result.ceiling) for result in report.results] == [
        ("base", 2, 1000.0),
        ("peer", 2, 1000.0),
    ]
    assert isinstance(cells_of(["create"])[0], Create)
