"""Every cell of `chartvault bench` runs for a moment, and every answer is right."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.api.commands.test_bench import require_measured, run

CELLS = "create,read,update,crud36,import,tx2,mix,search_name,search_obs,search30"
FAMILIES = ("string", "date", "token", "quantity", "reference", "composite")


def test_every_cell_runs_on_a_server_of_its_own(tmp_path: Path) -> None:
    short = ("--seconds", "0.5", "--warmup", "0.1", "--rounds", "1", "--connections", "4")
    done = run("--cells", CELLS, *short, "--json", tmp_path / "result.json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "result.json").read_text())
    assert [(r["cell"], r["connections"]) for r in found["results"]] == [
        *(("create", 4), ("read", 4), ("update", 4), ("crud36", 4), ("import", 1), ("import", 4), ("tx2", 4)),
        *((name, 4) for name in ("mix", "search_name", "search_obs")),
        *((f"search30/{family}", 4) for family in FAMILIES),
    ]
    for result in found["results"]:
        require_measured(result)


def test_a_document_goes_up_and_down_in_little_memory(tmp_path: Path) -> None:
    done = run("--cells", "blob", "--blob-mb", "20", "--rounds", "1", "--json", tmp_path / "result.json")
    assert done.returncode == 0, done.stdout + done.stderr
    if sys.platform == "linux":
        assert json.loads((tmp_path / "result.json").read_text())["documents"]["base"]["grown_mb"] < 64
