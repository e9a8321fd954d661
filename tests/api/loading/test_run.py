"""Imports as a whole against a scripted server: order, retries, reports, and doing nothing twice.

What a real server does with the requests is tested where the real application runs (`test_import.py`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from api.http_client import Client
from api.loading import delivery
from api.loading.delivery import NotAllowed, ServerLost
from api.loading.ledger import Ledger
from api.loading.run import Import, Problem, Summary
from api.loading.sources import documents, expand

Reply = tuple[int, dict[str, Any]]


class Script:
    """A server that answers what it is told, `answer` first, then 201 for every entry."""

    def __init__(self, answer: Callable[[dict[str, Any], int], Reply | None] = lambda body, number: None) -> None:
        self.answer = answer
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.slow: Callable[[dict[str, Any]], float] = lambda body: 0.0
        self.finished: list[str] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode().lower():
                fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:-2])
                body = json.loads(await reader.readexactly(int(fields["content-length"])))
                self.keys.append(fields["idempotency-key"])
                self.bodies.append(body)
                status, answer = self.answer(body, len(self.bodies)) or (200, accepted(body))
                await asyncio.sleep(self.slow(body))
                if status == 0:
                    break
                text = json.dumps(answer).encode()
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(text)}\r\n\r\n".encode() + text)
                self.finished.append(body.get("id", ""))
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self.talk, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/fhir"
        finally:
            server.close()


def accepted(body: dict[str, Any], **refused: str) -> dict[str, Any]:
    return {"entry": [{"response": {"status": "201 Created"}} for _ in body.get("entry", ())]}


def outcome(words: str, expression: str | None = None) -> dict[str, Any]:
    issue = {"diagnostics": words, **({"expression": [expression]} if expression else {})}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def bundle(name: str, entries: int = 1, kind: str = "transaction") -> dict[str, Any]:
    return {"resourceType": "Bundle", "id": name, "type": kind, "entry": [{"request": n} for n in range(entries)]}


class Notes:
    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.resources = 0

    def advanced(self, position: int, resources: int) -> None:
        self.resources += resources

    def failed(self, problem: Problem) -> None:
        self.problems.append(problem)


async def imported(
    script: Script, folder: Path, *, jobs: int = 1, ledger: Path | None = None
) -> tuple[Summary, list[Problem]]:
    notes = Notes()
    async with script.running() as base, Client(base, connections=jobs) as client:
        with Ledger(ledger) as kept:
            summary = await Import(client, kept, notes, jobs=jobs).run(documents(expand([folder])))
    return summary, notes.problems


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_pause", lambda attempt, retry_after: 0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def put(folder: Path, *bundles: dict[str, Any]) -> None:
    for found in bundles:
        (folder / f"{found['id']}.json").write_text(json.dumps(found))


async def test_documents_arrive_in_order(folder: Path) -> None:
    put(folder, *(bundle(name) for name in "cabd"))
    script = Script()
    summary, problems = await imported(script, folder)
    assert [body["id"] for body in script.bodies] == ["a", "b", "c", "d"]
    assert (summary.documents, summary.created, summary.failed, problems) == (4, 4, 0, [])


async def test_leading_documents_arrive_before_the_others_start(folder: Path) -> None:
    put(folder, bundle("a"), bundle("hospitalInformation1"), bundle("practitionerInformation1"), bundle("b"))
    script = Script()
    script.slow = lambda body: 0.05 if "Information" in body["id"] else 0.0
    await imported(script, folder, jobs=4)
    assert script.finished[:2] == ["hospitalInformation1", "practitionerInformation1"]
    assert script.keys[2:] != script.keys[:2]
    assert len(script.bodies) == 4


async def test_what_is_refused_too_early_is_sent_again_after_its_predecessors(folder: Path) -> None:
    put(folder, bundle("a"), bundle("b"))
    script = Script()
    script.answer = lambda body, number: (
        (400, outcome("no such reference")) if body["id"] == "b" and "a" not in script.finished else None
    )
    script.slow = lambda body: 0.1 if body["id"] == "a" else 0.0
    summary, problems = await imported(script, folder, jobs=2)
    assert sorted(body["id"] for body in script.bodies) == ["a", "b", "b"]
    assert script.finished[-1] == "b"
    assert (summary.created, problems) == (2, [])


async def test_a_refused_transaction_is_reported_with_its_entry(folder: Path) -> None:
    put(folder, bundle("a"), bundle("b", 3), bundle("c"))
    refusal = outcome("Unknown element", "Bundle.entry[2].resource.nam")
    script = Script(lambda body, number: (400, refusal) if body["id"] == "b" else None)
    summary, problems = await imported(script, folder, jobs=2)
    assert [(p.document.rpartition("/")[2], p.entry, p.status) for p in problems] == [("b.json", 2, 400)]
    assert str(problems[0]).endswith("b.json, entry 2: 400 Unknown element (Bundle.entry[2].resource.nam)")
    assert (summary.created, summary.failed) == (2, 1)


def with_failures(body: dict[str, Any], failures: dict[int, str]) -> Reply:
    answer = accepted(body)
    for place, status in failures.items():
        answer["entry"][place]["response"] = {"status": status, "outcome": outcome("refused")}
    return 200, answer


async def test_each_refused_entry_of_a_batch_is_reported(folder: Path) -> None:
    put(folder, bundle("a", 502, "batch"))
    script = Script(lambda body, number: with_failures(body, {1: "422 Unprocessable"}))
    summary, problems = await imported(script, folder)
    assert [(p.entry, p.status, p.reason) for p in problems] == [(1, 422, "refused"), (501, 422, "refused")]
    assert (summary.created, summary.failed) == (500, 2)


async def test_a_batch_of_which_entries_met_a_busy_server_goes_again_under_its_key(folder: Path) -> None:
    put(folder, bundle("a", 5, "batch"))
    busy = {1: {1: "503 Busy", 3: "429 Slow", 4: "400 Bad"}, 2: {1: "503 Busy", 4: "400 Bad"}, 3: {4: "400 Bad"}}
    script = Script(lambda body, number: with_failures(body, busy.get(number, {})))
    summary, problems = await imported(script, folder)
    assert len(script.bodies) == 3
    assert len(set(script.keys)) == 1
    assert [p.entry for p in problems] == [4]
    assert summary.created == 4


@pytest.mark.parametrize("status", [503, 429, 0], ids=["unavailable", "throttled", "connection lost"])
async def test_a_busy_server_gets_the_same_request_with_the_same_key_again(folder: Path, status: int) -> None:
    put(folder, bundle("a"))
    script = Script(lambda body, number: (status, {}) if number < 4 else None)
    summary, _ = await imported(script, folder)
    assert len(script.bodies) == 4
    assert len(set(script.keys)) == 1
    assert summary.created == 1


async def test_a_server_that_stays_away_ends_the_import(folder: Path) -> None:
    put(folder, bundle("a"))
    with pytest.raises(ServerLost):
        await imported(Script(lambda body, number: (503, {})), folder, jobs=2)


async def test_a_refused_token_ends_the_import_at_once(folder: Path) -> None:
    put(folder, *(bundle(name) for name in "abcdef"))
    script = Script(lambda body, number: (401, outcome("The token has expired")))
    with pytest.raises(NotAllowed, match="expired"):
        await imported(script, folder)
    assert len(script.bodies) == 1


async def test_a_second_run_sends_nothing_that_arrived(folder: Path, tmp_path: Path) -> None:
    put(folder, bundle("a"), bundle("b", 502, "batch"), bundle("c"))
    first = Script(lambda body, number: (400, outcome("no")) if body.get("id") == "c" else None)
    await imported(first, folder, ledger=tmp_path / "ledger")
    second = Script()
    summary, _ = await imported(second, folder, ledger=tmp_path / "ledger")
    assert [body["id"] for body in second.bodies] == ["c"]
    assert (summary.skipped, summary.created) == (503, 1)


async def test_an_interrupted_run_is_taken_up_where_it_stopped(folder: Path, tmp_path: Path) -> None:
    put(folder, *(bundle(name) for name in "abcd"))
    with pytest.raises(NotAllowed):
        await imported(
            Script(lambda body, number: (401, {}) if number == 3 else None), folder, ledger=tmp_path / "ledger"
        )
    script = Script()
    await imported(script, folder, ledger=tmp_path / "ledger")
    assert [body["id"] for body in script.bodies] == ["c", "d"]


async def test_unreadable_files_are_reported_and_the_others_go_on(folder: Path) -> None:
    put(folder, bundle("a"), bundle("f"))
    (folder / "b.json").write_text("{")
    (folder / "d.json.gz").write_text("this is not gzip")
    (folder / "dd.ndjson.zst").write_text("this is not zstd")
    (folder / "e.tar").write_text("this is not tar")
    summary, problems = await imported(Script(), folder, jobs=3)
    assert sorted(p.document.rpartition("/")[2] for p in problems) == ["b.json", "d.json.gz", "dd.ndjson.zst", "e.tar"]
    assert (summary.created, summary.failed) == (2, 4)


async def test_an_answer_that_does_not_name_every_entry_is_a_failure(folder: Path) -> None:
    put(folder, bundle("a", 2))
    summary, problems = await imported(Script(lambda body, number: (200, {"entry": []})), folder)
    assert (summary.created, len(problems)) == (0, 1)
