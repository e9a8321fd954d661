"""`chartvault import` as people run it: against a real server over a real MongoDB, again, and interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.local_server import LocalServer, started_server
from api.settings import Settings

PROJECT = Path(__file__).resolve().parents[3]
WIDE = {"COLUMNS": "200"}


@pytest.fixture
def data_dir(tmp_path: Path, mongo_uri: str, database: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder whose server uses the MongoDB of the tests."""
    monkeypatch.setenv("CHARTVAULT_MONGODB_URI", mongo_uri)
    monkeypatch.setenv("CHARTVAULT_DATABASE", database)
    monkeypatch.setenv("CHARTVAULT_KEYS_DATABASE", f"{database}_keys")
    monkeypatch.setenv("CHARTVAULT_LOG_LEVEL", "error")
    return tmp_path / "data"


@pytest.fixture
async def server(data_dir: Path) -> Any:
    data_dir.mkdir(mode=0o700)
    async with started_server(Settings(data_dir=data_dir), client="test") as started:
        yield started


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "api.cli", "import", *map(str, arguments)]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=PROJECT, env={**os.environ, **WIDE}, capture_output=True, text=True, timeout=600
    )


@pytest.fixture
def fhir(server: LocalServer) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {server.token}"}
    with httpx.Client(base_url=server.base, headers=headers, timeout=30) as client:
        yield client


def total(fhir: httpx.Client, resource_type: str) -> int:
    found: int = fhir.get(f"/{resource_type}", params={"_count": 0, "_total": "accurate"}).json()["total"]
    return found


def a_bundle(path: Path, number: int, *, kind: str = "transaction", **changed: Any) -> None:
    urn = f"urn:uuid:00000000-0000-4000-8000-{number:012d}"
    patient = {"resourceType": "Patient", "name": [{"family": f"Imported{number}"}], **changed}
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "weight"},
        "subject": {"reference": urn},
    }
    entries = [
        {"fullUrl": urn, "resource": patient, "request": {"method": "POST", "url": "Patient"}},
        {"resource": observation, "request": {"method": "POST", "url": "Observation"}},
    ]
    path.write_text(json.dumps({"resourceType": "Bundle", "type": kind, "entry": entries}))


async def test_a_second_run_creates_nothing_with_or_without_the_ledger(
    tmp_path: Path, data_dir: Path, fhir: httpx.Client, server: LocalServer
) -> None:
    (tmp_path / "in").mkdir()
    for number in range(3):
        a_bundle(tmp_path / "in" / f"{number}.json", number)
    (tmp_path / "in" / "more.ndjson").write_text('{"resourceType":"Patient","id":"n1"}\n{"resourceType":"Patient"}\n')
    first = run(tmp_path / "in", "--data-dir", data_dir)
    assert first.returncode == 0, first.stderr
    assert "8 created" in first.stdout
    skipped = run(tmp_path / "in", "--data-dir", data_dir)
    assert "8 skipped" in skipped.stdout
    repeated = run(tmp_path / "in", "--data-dir", data_dir, "--state", tmp_path / "other")
    assert repeated.returncode == 0
    assert (total(fhir, "Patient"), total(fhir, "Observation")) == (5, 3)


async def test_each_refused_entry_is_named_and_the_exit_code_says_so(
    tmp_path: Path, data_dir: Path, fhir: httpx.Client
) -> None:
    (tmp_path / "in").mkdir()
    a_bundle(tmp_path / "in" / "bad.json", 1, gender="unheard-of")
    a_bundle(tmp_path / "in" / "good.json", 2)
    (tmp_path / "in" / "lines.ndjson").write_text('{"resourceType":"Patient","nam":1}\n{"resourceType":"Patient"}\n')
    done = run(tmp_path / "in", "--data-dir", data_dir)
    assert done.returncode == 1
    assert "bad.json, entry 0: 400" in done.stderr or "bad.json, entry 0: 422" in done.stderr
    assert "(Bundle.entry[0].resource.gender)" in done.stderr
    assert "lines.ndjson, entry 0: 400" in done.stderr
    assert "(Patient.nam)" in done.stderr
    assert "2 problems" in done.stdout
    assert (total(fhir, "Patient"), total(fhir, "Observation")) == (2, 1)


@pytest.mark.slow
async def test_an_import_that_is_killed_is_completed_by_the_next(
    tmp_path: Path, data_dir: Path, fhir: httpx.Client
) -> None:
    (tmp_path / "in").mkdir()
    for number in range(200):
        a_bundle(tmp_path / "in" / f"{number:03d}.json", number)
    arguments = command(tmp_path / "in", "--data-dir", data_dir, "--jobs", "2")
    process = subprocess.Popen(arguments, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while total(fhir, "Patient") < 20 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 20 <= total(fhir, "Patient") < 200
    assert run(tmp_path / "in", "--data-dir", data_dir).returncode == 0
    assert (total(fhir, "Patient"), total(fhir, "Observation")) == (200, 200)


async def test_without_a_server_one_is_started_for_the_import(tmp_path: Path, data_dir: Path) -> None:
    a_bundle(tmp_path / "a.json", 1)
    done = run(tmp_path / "a.json", "--data-dir", data_dir)
    assert done.returncode == 0, done.stderr
    assert "2 created" in done.stdout
    assert not (data_dir / "server.json").exists()


async def test_a_wrong_token_ends_with_one_sentence(tmp_path: Path, server: LocalServer) -> None:
    a_bundle(tmp_path / "a.json", 1)
    done = run(tmp_path / "a.json", "--base", server.base, "--token", "nonsense")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "nonsense" not in done.stderr


def test_a_path_that_does_not_exist_is_wrong_usage(tmp_path: Path) -> None:
    done = run(tmp_path / "none.json", "--base", "http://127.0.0.1:1/fhir")
    assert done.returncode == 2
    assert "no such file" in done.stderr


EVERY_PATIENT, SOME = bool(os.environ.get("CHARTVAULT_EVERY_PATIENT")), 2
"""How many real patients of each folder are imported: some, or all fifteen."""


def real_patients(tmp_path: Path, folder: Path) -> Path:
    """A folder with the hospitals and practitioners of `folder`, and with some of its patients."""
    sample = tmp_path / folder.name
    sample.mkdir()
    files = sorted(folder.glob("*.json"))
    leads = [file for file in files if "Information" in file.name]
    patients = [file for file in files if file not in leads]
    for file in [*leads, *(patients if EVERY_PATIENT else patients[:SOME])]:
        (sample / file.name).symlink_to(file)
    return sample


@pytest.mark.slow
async def test_real_patients_arrive_complete(tmp_path: Path, data_dir: Path, shared: Path, fhir: httpx.Client) -> None:
    """Patients whose references are inside their Bundles, and a folder whose patients refer by condition."""
    folders = [real_patients(tmp_path, shared / "data" / name) for name in ("synthea-5", "synthea-conditional-12")]
    done = run(*folders, "--data-dir", data_dir)
    assert done.returncode == 0, done.stderr
    assert "0 problems" in done.stdout
    practitioners = total(fhir, "Practitioner")
    again = run(folders[1], "--data-dir", data_dir, "--state", data_dir / "other")
    assert again.returncode == 0, again.stderr
    assert total(fhir, "Practitioner") == practitioners
