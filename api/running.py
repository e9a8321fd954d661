"""Where the server of a data folder can be reached, for commands that talk to it.

`server.json` in the data folder, readable by its owner only, written when the server answers and removed when it stops.
What a killed server left behind is recognised by its process id and ignored.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

_FILE = "server.json"


class RunningServer(msgspec.Struct, frozen=True):
    """A server on this machine. `base` is its FHIR base as reachable from here, `public_base` the one in its links."""

    pid: int
    base: str
    public_base: str | None = None


def announce(data_dir: Path, server: RunningServer) -> None:
    """Make the server known to other commands over the same folder."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = data_dir / f".{_FILE}.{server.pid}"
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(server))
    part.replace(data_dir / _FILE)


def withdraw(data_dir: Path) -> None:
    """The server stops: forget it, unless another one has taken its place."""
    server = running_server(data_dir)
    if server is not None and server.pid == os.getpid():
        (data_dir / _FILE).unlink(missing_ok=True)


def running_server(data_dir: Path) -> RunningServer | None:
    """The server that runs over this folder now, if any."""
    try:
        server = msgspec.json.decode((data_dir / _FILE).read_bytes(), type=RunningServer)
        os.kill(server.pid, 0)
    except (OSError, msgspec.DecodeError):
        return None
    return server
