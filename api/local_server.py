"""The server of a data folder, for commands that are its clients: the one that runs, or one started for the occasion.

What is started here ends with the block, with this process (also when that is killed), and never outlives either.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, NamedTuple

import api
from api.running import RunningServer, running_server
from api.settings import Settings
from api.tokens import mint
from domain.errors import Unavailable

_READY_SECONDS = 60.0
_STOP_SECONDS = 40.0
_PR_SET_PDEATHSIG = 1


class LocalServer(NamedTuple):
    """A server on this machine: FHIR base, a token with all rights, and the process that looks after it."""

    base: str
    token: str
    pid: int

    def __repr__(self) -> str:
        return f"LocalServer({self.base})"


@asynccontextmanager
async def local_server(settings: Settings, *, client: str) -> AsyncIterator[LocalServer]:
    """The server over `settings.data_dir`; started on a free port when none runs. `client` is whom the audit names.

    Raises `Unavailable` with the server's own words when it does not start.
    """
    server = running_server(settings.data_dir)
    if server is not None:
        yield _known(settings, server, client)
        return
    quiet = {"CHARTVAULT_LOG_LEVEL": os.environ.get("CHARTVAULT_LOG_LEVEL") or "warning"}
    async with started_server(settings, client=client, environment=quiet) as started:
        yield started


@asynccontextmanager
async def started_server(
    settings: Settings, *, client: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[LocalServer]:
    """A server of our own over `settings.data_dir`, on a free port of the loopback interface, until the block ends."""
    with tempfile.TemporaryFile() as said:
        process = _start(settings, environment or {}, said)
        try:
            yield _known(settings, await _ready(settings, process, said), client)
        finally:
            await asyncio.to_thread(_stop, process)


def _known(settings: Settings, server: RunningServer, client: str) -> LocalServer:
    token = mint(settings, scopes="system/*.cruds", lifetime_seconds=12 * 3600, subject="cli", client=client)
    return LocalServer(server.base, token, server.pid)


def _start(settings: Settings, environment: Mapping[str, str], said: IO[bytes]) -> subprocess.Popen[bytes]:
    folder = str(Path(api.__path__[0]).parent)
    paths = [folder, *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", "api.cli", "serve", "--host", "127.0.0.1", "--port", str(free_port())]
    return subprocess.Popen(  # noqa: S603 our own program
        [*command, "--data-dir", str(settings.data_dir)],
        env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=said,
        # A group of its own: Ctrl-C ends this command first, which then ends the server in good order.
        process_group=0,
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,
    )


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


async def _ready(settings: Settings, process: subprocess.Popen[bytes], said: IO[bytes]) -> RunningServer:
    until = time.monotonic() + _READY_SECONDS
    while time.monotonic() < until and process.poll() is None:
        server = running_server(settings.data_dir)
        if server is not None and server.pid == process.pid:
            return server
        await asyncio.sleep(0.05)
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    raise Unavailable(f"The server did not start: {lines[-1] if lines else 'it said nothing'}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port of the loopback interface on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
