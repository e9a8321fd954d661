"""`chartvault serve` as real processes: started, killed as a power cut would, started again over the same data.

Invariants: a served process gets no CHARTVAULT_* variable but those a test names; what it prints is kept, so that tests
can look through it; nothing outlives the test.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from api.settings import Settings
from api.tokens import mint
from storage.embedded import EmbeddedMongo

PROJECT = Path(__file__).resolve().parents[2]
READY_SECONDS = 240.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without its CHARTVAULT_* variables, and with the given ones."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CHARTVAULT_")}
    return {**inherited, **given}


class Served:
    """One installation under `folder`, served on one port for as long as the test wants it."""

    def __init__(self, folder: Path, *arguments: str, **settings: str) -> None:
        self.data_dir, self.port = folder / "data", free_port()
        self.log = folder / "printed.log"
        self.database = settings.get("database", "chartvault")
        self.base = f"http://127.0.0.1:{self.port}/fhir"
        self._arguments = arguments
        self._environment = environment({f"CHARTVAULT_{name.upper()}": value for name, value in settings.items()})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def printed(self) -> str:
        return self.log.read_text()

    def start(self) -> None:
        """Start, and return when it answers."""
        place = ("--data-dir", str(self.data_dir), "--port", str(self.port))
        before = len(self.printed) if self.log.exists() else 0
        with self.log.open("a") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "api.cli", "serve", *place, *self._arguments],
                cwd=PROJECT,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        wait_for(
            lambda: "Chartvault is ready" in self.printed[before:] or self.process.poll() is not None, READY_SECONDS
        )
        assert self.process.poll() is None, self.printed[before:]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `chartvault` with the same settings and data folder, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "api.cli", *arguments],
            cwd=PROJECT,
            env={**self._environment, "CHARTVAULT_DATA_DIR": str(self.data_dir)},
            capture_output=True,
            text=True,
            timeout=READY_SECONDS,
            check=False,
        )

    def admin_uri(self) -> str:
        """All rights on the MongoDB that it has started for itself; holds a password."""
        return EmbeddedMongo(self.data_dir / "mongodb").admin_uri

    def headers(self) -> dict[str, str]:
        """What a client with all rights sends."""
        token = mint(Settings(data_dir=self.data_dir), scopes="system/*.cruds", lifetime_seconds=3600)
        return {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}

    def client(self, seconds: float = 30) -> httpx.AsyncClient:
        """A client of the FHIR base. Proxies of the environment are not for this machine."""
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
        return httpx.AsyncClient(
            base_url=self.base, headers=self.headers(), timeout=seconds, limits=limits, trust_env=False
        )

    def children(self) -> dict[int, str]:
        """Process ids and names of the workers and of MongoDB, whichever thread has started them."""
        found: dict[int, str] = {}
        for children in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            for pid in children.read_text().split():
                with contextlib.suppress(OSError):
                    found[int(pid)] = Path(f"/proc/{pid}/comm").read_text().strip()
        return found

    def workers(self) -> list[int]:
        return [pid for pid, name in self.children().items() if name != "mongod"]

    def mongod(self) -> int:
        return next(pid for pid, name in self.children().items() if name == "mongod")

    def kill(self) -> None:
        """kill -9 of the main process; returns when its workers have followed it."""
        children = self.children()
        self.process.kill()
        self.process.wait()
        wait_for(lambda: not any(map(runs, children)))

    def stop(self) -> int | None:
        """End as an orchestrator does, with SIGTERM. The exit code, or `None` when it did not run."""
        if self._process is None or self._process.poll() is not None:
            return None
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(READY_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()


def connection(base: str, headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
    """A client for a few requests to this machine, cheap to make: reading the certificates of the world takes 20 ms."""
    return httpx.AsyncClient(base_url=base, headers=headers, timeout=30, trust_env=False, verify=False)


def wait_for(condition: Callable[[], Any], seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


async def answering(client: httpx.AsyncClient, seconds: float = 60) -> float:
    """Wait until the server serves again; how many seconds that took."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        with contextlib.suppress(httpx.HTTPError):
            if (await client.get(f"{str(client.base_url).removesuffix('/fhir/')}/readyz")).status_code == 200:
                return time.monotonic() - began
        await asyncio.sleep(0.02)
    raise AssertionError("the server does not answer")
