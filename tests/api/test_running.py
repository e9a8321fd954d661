"""Finding a running server: `api/running.py`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from api.running import RunningServer, announce, running_server, withdraw


def test_an_announced_server_is_found_until_it_withdraws(tmp_path: Path) -> None:
    data_dir = tmp_path / "new"
    server = RunningServer(os.getpid(), "http://127.0.0.1:1/fhir")
    announce(data_dir, server)
    assert running_server(data_dir) == server
    assert (data_dir / "server.json").stat().st_mode & 0o777 == 0o600
    withdraw(data_dir)
    assert running_server(data_dir) is None
    assert list(data_dir.iterdir()) == []


def test_what_a_killed_server_left_is_ignored(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as ended:
        pass
    announce(tmp_path, RunningServer(ended.pid, "http://127.0.0.1:1/fhir"))
    assert running_server(tmp_path) is None


def test_a_server_never_withdraws_another(tmp_path: Path) -> None:
    announce(tmp_path, RunningServer(os.getppid(), "http://127.0.0.1:1/fhir"))
    withdraw(tmp_path)
    assert running_server(tmp_path) is not None


def test_no_server_and_nonsense_are_no_server(tmp_path: Path) -> None:
    assert running_server(tmp_path / "nothing") is None
    (tmp_path / "server.json").write_text("{")
    assert running_server(tmp_path) is None
