"""The folder of an embedded MongoDB: who holds it, its passwords, its port.

Invariants: the folder is readable by its owner only (0700, secrets 0600); one server at a time, shown by a lock that
the server process itself inherits, so it is free exactly when that process is gone, however it ended; the port of the
replica set's only member is remembered, since the member must find itself under the same address.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from pathlib import Path

import msgspec

from domain.errors import Unavailable

_LOG_LIMIT_BYTES = 16 << 20
_LEAVING_SECONDS = 20.0
"""How long to wait for a server whose program was killed: it needs a moment to close its files."""


class Secrets(msgspec.Struct, frozen=True):
    """Generated once per folder. `admin` sets up, `program` is what the program uses afterwards."""

    admin: str
    program: str

    def __repr__(self) -> str:
        return "Secrets(…)"


class EmbeddedFolder:
    """`path` holds `data/` (MongoDB's files), `log`, `keyfile`, `secrets.json`, `port`, `owner` and `lock`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.data = self.path / "data"
        self.log = self.path / "log"
        self.output = self.path / "output"
        self.keyfile = self.path / "keyfile"
        self._secrets = self.path / "secrets.json"
        self._port = self.path / "port"
        self._owner = self.path / "owner"

    def take(self) -> int:
        """Make the folder ours; returns the lock's descriptor, which holds it until every copy is closed.

        Raises `Unavailable` when another program has it.
        """
        self._create()
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        until = time.monotonic() + _LEAVING_SECONDS
        while not _locked(lock):
            owner = self._owner_pid()
            if (owner is not None and _alive(owner)) or time.monotonic() > until:
                os.close(lock)
                raise Unavailable(
                    f"The data folder {self.path} is in use by another chartvault"
                    f"{f' (process {owner})' if owner else ''}: stop it, or give another --data-dir"
                )
            time.sleep(0.05)
        write_private(self._owner, str(os.getpid()))
        return lock

    def in_use(self) -> bool:
        """Whether a server runs on the folder now."""
        try:
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            return not _locked(lock)
        finally:
            os.close(lock)

    def secrets(self) -> Secrets:
        """The folder's passwords, generated on first use."""
        if not self._secrets.exists():
            if (self.data / "WiredTiger").exists():
                raise Unavailable(
                    f"{self._secrets} is missing: without it the database in {self.data} cannot be opened"
                )
            write_private(self.keyfile, secrets.token_urlsafe(96).replace("-", "+").replace("_", "/"))
            made = Secrets(admin=secrets.token_urlsafe(32), program=secrets.token_urlsafe(32))
            write_private(self._secrets, msgspec.json.encode(made).decode())
        return msgspec.json.decode(self._secrets.read_bytes(), type=Secrets)

    @property
    def port(self) -> int | None:
        """The port the replica set was last configured with."""
        try:
            return int(self._port.read_text())
        except (OSError, ValueError):
            return None

    @port.setter
    def port(self, value: int) -> None:
        write_private(self._port, str(value))

    def trim_log(self) -> None:
        """Keep the server's log from growing without bound; the one before is kept."""
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_name("log.1"))

    def _create(self) -> None:
        try:
            self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in (self.path, self.data):
                folder.chmod(0o700)
        except OSError as error:
            raise Unavailable(f"The data folder {self.path} cannot be used: {error.strerror}") from error

    def _owner_pid(self) -> int | None:
        try:
            return int(self._owner.read_text())
        except (OSError, ValueError):
            return None


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, durable, readable by its owner only from its first byte on."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
