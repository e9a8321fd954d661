"""`chartvault bench` end to end, a moment per cell: every answer is right. No figure is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[3]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "api.cli", "bench", *map(str, arguments)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=240, check=False)


def require_measured(result: dict[str, Any]) -> None:
    """Every figure of a cell is there, and none is impossible."""
    assert result["void"] is False
    assert result["rate"] > 0
    assert result["each"] > 0
    assert 0 < result["p50_ms"] <= result["p95_ms"] <= result["p99_ms"]
    if sys.platform == "linux":
        assert result["cpu_ms"] > 0


@pytest.mark.slow
def test_some_cells_run_on_a_server_of_its_own(tmp_path: Path) -> None:
    """All of them by hand: `tests/benchmarks/test_bench_cells.py`."""
    short = ("--seconds", "0.2", "--warmup", "0.1", "--rounds", "1", "--connections", "4")
    done = run("--cells", "create,read", *short, "--json", tmp_path / "result.json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "result.json").read_text())
    assert [(r["cell"], r["connections"]) for r in found["results"]] == [("create", 4), ("read", 4)]
    for result in found["results"]:
        require_measured(result)
    assert set(found["calibrations"][0]) == {"find", "insert", "transaction of two", "documents in batches"}
    assert "of ceiling" in done.stdout


@pytest.mark.slow
def test_documents_go_up_and_down_beside_a_plain_copy(tmp_path: Path) -> None:
    done = run("--cells", "blob", "--blob-mb", "2", "--rounds", "1", "--json", tmp_path / "result.json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "result.json").read_text())["documents"]["base"]
    assert all(found[way][0] > 0 for way in ("form", "raw", "download", "plain_upload", "plain_download"))
    assert "of a plain copy" in done.stdout


def test_a_cell_that_does_not_exist_is_wrong_usage() -> None:
    done = run("--cells", "create,fly", "--base", "http://127.0.0.1:1/fhir")
    assert done.returncode == 2
    assert "crud36" in done.stderr


def test_a_server_that_does_not_answer_ends_with_one_sentence() -> None:
    done = run("--cells", "read", "--base", "http://127.0.0.1:1/fhir")
    assert done.returncode == 3
    assert "Cannot connect" in done.stderr
    assert "Traceback" not in done.stderr
