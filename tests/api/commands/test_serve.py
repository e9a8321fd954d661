"""`chartvault serve` from start to stop, as a person runs it: real processes, real MongoDB."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.running import running_server

PROJECT = Path(__file__).resolve().parents[3]
READY_SECONDS = 240


class Served:
    """A server process over `data_dir`, and what it printed."""

    def __init__(self, data_dir: Path, port: int, *arguments: str) -> None:
        self.data_dir, self.port = data_dir, port
        self.log = data_dir.with_name(f"{data_dir.name}.log")
        command = [
            sys.executable,
            "-m",
            "api.cli",
            "serve",
            "--data-dir",
            str(data_dir),
            "--port",
            str(port),
            *arguments,
        ]
        with self.log.open("w") as output:
            self.process = subprocess.Popen(command, cwd=PROJECT, stdout=output, stderr=subprocess.STDOUT)

    @property
    def printed(self) -> str:
        return self.log.read_text()

    def token(self) -> str:
        found = re.search(r"TOKEN=(\S+)", self.printed)
        assert found is not None
        return found[1]

    def get(self, path: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token()}"}
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", headers=headers, timeout=10)

    def await_welcome(self) -> None:
        """Wait until the server says it is ready; other tests may share the machine, so patiently."""
        until = time.monotonic() + READY_SECONDS
        while "curl" not in self.printed:
            assert self.process.poll() is None, self.printed
            assert time.monotonic() < until, self.printed + self.database_log()
            time.sleep(0.05)

    def database_log(self) -> str:
        log = self.data_dir / "mongodb" / "log"
        return "".join(log.read_text().splitlines(keepends=True)[-20:]) if log.exists() else "no database log"

    def processes(self) -> list[int]:
        """The children: workers and MongoDB."""
        return [
            int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        ]

    def child(self, name: str) -> int:
        return next(pid for pid in self.processes() if name in Path(f"/proc/{pid}/comm").read_text())


def wait_for(condition: Callable[[], Any], seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def answers(served: Served) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return served.get("/readyz").status_code == 200
    return False


def runs(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def serve(tmp_path: Path, port: int) -> Iterator[Callable[..., Served]]:
    """Starts servers over one data folder, waits until they answer, and ends them after the test."""
    started: list[Served] = []

    def start(*arguments: str) -> Served:
        started.append(Served(tmp_path / "data", port, *arguments))
        started[-1].await_welcome()
        return started[-1]

    yield start
    for served in started:
        served.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            served.process.wait(30)
        served.process.kill()
        served.process.wait()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_first_minute_works_and_a_stop_is_clean(serve: Callable[..., Served], stop: signal.Signals) -> None:
    served = serve()
    shown = served.printed
    assert f"FHIR base   http://127.0.0.1:{served.port}/fhir" in shown
    assert f"API docs    http://127.0.0.1:{served.port}/api/docs" in shown
    assert served.get("/api/docs").status_code == 200
    assert served.get("/fhir/Patient?_count=2").json()["type"] == "searchset"
    assert httpx.get(f"http://127.0.0.1:{served.port}/fhir/Patient").status_code == 401
    assert served.data_dir.stat().st_mode & 0o777 == 0o700
    found, children = running_server(served.data_dir), served.processes()
    assert found is not None
    assert (found.pid, found.base) == (served.process.pid, f"http://127.0.0.1:{served.port}/fhir")
    served.process.send_signal(stop)
    assert served.process.wait(30) == 0
    assert served.printed.endswith("Stopped.\n")
    assert not any(map(runs, children))
    assert running_server(served.data_dir) is None


def test_what_was_acknowledged_is_there_after_the_main_process_was_killed(serve: Callable[..., Served]) -> None:
    served = serve("--workers", "2")
    headers = {"authorization": f"Bearer {served.token()}", "content-type": "application/fhir+json"}
    created = httpx.post(
        f"http://127.0.0.1:{served.port}/fhir/Patient", content='{"resourceType":"Patient"}', headers=headers
    )
    assert created.status_code == 201
    children = served.processes()
    assert len(children) == 3
    served.process.kill()
    served.process.wait()
    wait_for(lambda: not any(map(runs, children)))
    assert serve().get(f"/fhir/Patient/{created.json()['id']}").json() == created.json()


def test_a_killed_worker_is_replaced(serve: Callable[..., Served]) -> None:
    served = serve()
    mongod = served.child("mongod")
    (worker,) = set(served.processes()) - {mongod}
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: answers(served))
    assert worker not in served.processes()


def test_a_worker_that_is_killed_as_soon_as_it_is_replaced_is_replaced_again(serve: Callable[..., Served]) -> None:
    served = serve()
    mongod = served.child("mongod")
    for _ in range(3):
        wait_for(lambda: len(served.processes()) == 2)
        (worker,) = set(served.processes()) - {mongod}
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: worker not in served.processes())  # noqa: B023
    wait_for(lambda: answers(served))


def test_a_killed_database_is_started_again_and_nobody_has_to_help(serve: Callable[..., Served]) -> None:
    served = serve()
    os.kill(served.child("mongod"), signal.SIGKILL)
    wait_for(lambda: "starting it again" in served.printed)
    wait_for(lambda: served.get("/fhir/Patient").status_code == 200, 30)


def test_a_second_server_is_told_what_is_in_the_way(serve: Callable[..., Served], port: int, tmp_path: Path) -> None:
    served = serve()
    same_port = Served(tmp_path / "other", port)
    assert same_port.process.wait(30) == 3
    assert same_port.printed.startswith(f"chartvault: Port {port} on 127.0.0.1 is in use")
    same_folder = Served(served.data_dir, free_port())
    assert same_folder.process.wait(30) == 3
    assert f"is in use by another chartvault (process {served.process.pid})" in same_folder.printed
    assert "Traceback" not in same_port.printed + same_folder.printed


def test_the_synthetic_patients_are_loaded_once(serve: Callable[..., Served]) -> None:
    served = serve("--demo")
    assert re.search(r"^[\d,]+ synthetic resources were loaded\.$", served.printed, re.MULTILINE)
    total = served.get("/fhir/Patient?_count=0").json()["total"]
    assert total >= 20
    served.process.terminate()
    assert served.process.wait(30) == 0
    again = serve("--demo")
    assert "The synthetic patients are there already." in again.printed
    assert again.get("/fhir/Patient?_count=0").json()["total"] == total


def test_over_a_cluster_no_token_is_printed(
    tmp_path: Path, port: int, mongo_uri: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTVAULT_MONGODB_URI", mongo_uri)
    monkeypatch.setenv("CHARTVAULT_DATABASE", database)
    monkeypatch.setenv("CHARTVAULT_KEYS_DATABASE", f"{database}_keys")
    served = Served(tmp_path / "data", port)
    wait_for(lambda: "Make a token with" in served.printed or served.process.poll() is not None, READY_SECONDS)
    served.process.terminate()
    assert served.process.wait(30) == 0
    assert "TOKEN" not in served.printed
    assert not (tmp_path / "data" / "mongodb").exists()


def test_operators_work_beside_a_running_server(serve: Callable[..., Served]) -> None:
    served = serve()
    command = [sys.executable, "-m", "api.cli", "verify", "--data-dir", str(served.data_dir)]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("Clean. ")
    assert served.get("/fhir/Patient").status_code == 200


def test_a_client_that_dribbles_its_headers_is_cut_off_and_others_are_served(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTVAULT_HEADER_SECONDS", "0.5")
    served = serve()
    slow = [socket.create_connection(("127.0.0.1", served.port), timeout=10) for _ in range(100)]
    for client in slow:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    assert served.get("/fhir/Patient").status_code == 200
    assert {client.recv(1) for client in slow} == {b""}
    for client in slow:
        client.close()


def test_headers_have_a_size_limit(serve: Callable[..., Served]) -> None:
    served = serve()
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 200_000)
        assert client.recv(12) == b"HTTP/1.1 431"


def test_no_secret_of_the_database_is_printed_or_visible_in_the_process_list(serve: Callable[..., Served]) -> None:
    served = serve()
    secrets = json.loads((served.data_dir / "mongodb" / "secrets.json").read_text()).values()
    visible = served.printed + "".join(
        Path(f"/proc/{pid}/cmdline").read_text() for pid in [served.process.pid, *served.processes()]
    )
    assert not any(secret in visible for secret in secrets)
