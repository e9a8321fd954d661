"""The private MongoDB of a single machine: one command and no set-up, yet the real server with real transactions.

A replica set of one on 127.0.0.1, authenticated (key file, generated passwords), in a folder only its owner can read.
It ends with the program that started it, also when that is killed, and a folder left by `kill -9` starts again with
everything that was acknowledged. `storage/embedded_folder.py` keeps the folder, `storage/embedded_binary.py` finds and
launches the server.
https://www.mongodb.com/docs/manual/core/security-users/#localhost-exception
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError

from domain.errors import Unavailable
from storage.embedded_binary import explain_exit, find_mongod, last_failure, launch
from storage.embedded_folder import EmbeddedFolder

_REPLICA_SET = "chartvault"
_START_SECONDS = 60.0
"""Longest start seen is the recovery after `kill -9` under load; a healthy one takes about 0.3 s."""
_STOP_SECONDS = 30.0
_ADMIN_ROLES = ["root", "__system"]
"""`__system` may change the replica set's stored address; the key file beside the password is that right anyway."""
_PROGRAM_ROLES = ["readWriteAnyDatabase", "dbAdminAnyDatabase", "clusterMonitor"]
_AUTHENTICATION_FAILED = 18
_ALREADY_INITIALIZED = 23
_UNAUTHORIZED = 13


class EmbeddedMongo:
    """One server over one folder; `start` it from the thread that lives as long as the program."""

    def __init__(
        self,
        folder: Path,
        *,
        binary: Path | None = None,
        cache_mb: int = 256,
        oplog_mb: int = 512,
        test_commands: bool = False,
    ) -> None:
        self._folder = EmbeddedFolder(folder)
        self._binary = binary
        self._cache_mb = cache_mb
        self._oplog_mb = oplog_mb
        self._test_commands = test_commands
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None

    def __repr__(self) -> str:
        return f"EmbeddedMongo({self._folder.path})"

    def start(self) -> str:
        """Run the server and return its URI once it takes writes.

        The URI holds a password: never print it. Raises `Unavailable` that says what to do when the folder is in use
        or the server cannot run here.
        """
        binary = find_mongod(self._binary)
        self._lock = self._folder.take()
        try:
            self._folder.secrets()
            port = self._settle(binary)
            self._run(binary, port)
            self._set_up(port)
        except PyMongoError as error:
            self.stop()
            code = (error.details or {}).get("codeName", "") if isinstance(error, OperationFailure) else ""
            reason = code or type(error).__name__
            raise Unavailable(f"MongoDB could not be set up in {self._folder.path} ({reason})") from error
        except BaseException:
            self.stop()
            raise
        return self.uri

    def attach(self) -> str | None:
        """The URI of the server that another program runs on this folder now, if there is one."""
        return self.uri if self._folder.in_use() and self._folder.port is not None else None

    def stop(self) -> None:
        """End the server cleanly and free the folder. Harmless when it does not run."""
        self._end_process()
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:  # nothing is lost: what was acknowledged is in the journal
            process.kill()
            process.wait()

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process is not None else None

    @property
    def uri(self) -> str:
        """How the program connects; holds a password."""
        return self._uri("program", self._folder.secrets().program)

    @property
    def admin_uri(self) -> str:
        """All rights, for set-up and for fail points in tests; holds a password."""
        return self._uri("admin", self._folder.secrets().admin)

    def _uri(self, user: str, password: str) -> str:
        return (
            f"mongodb://{user}:{password}@127.0.0.1:{self._folder.port}/"
            f"?authSource=admin&authMechanism=SCRAM-SHA-256&replicaSet={_REPLICA_SET}"
        )

    def _settle(self, binary: Path) -> int:
        """The port to run on: the remembered one, or a new one when a stranger listens there."""
        remembered = self._folder.port
        if remembered is not None and _is_free(remembered):
            return remembered
        port = _free_port()
        if remembered is not None:
            self._move(binary, port)
        self._folder.port = port
        return port

    def _move(self, binary: Path, port: int) -> None:
        """Write the member's new address into its configuration, by a start outside the replica set.

        Inside, it would first ask the stranger on the old port whether it is itself: 30 s when that never answers.
        """
        self._run(binary, port, standalone=True)
        self._ensure_admin(port)
        with _client(port, username="admin", password=self._folder.secrets().admin) as admin:
            admin["local"]["system.replset"].update_one({}, {"$set": {"members.0.host": f"127.0.0.1:{port}"}})
        self._end_process()

    def _run(self, binary: Path, port: int, *, standalone: bool = False) -> None:
        """Launch and wait until the port takes connections."""
        self._folder.trim_log()
        assert self._lock is not None  # noqa: S101 - taken by start()
        with self._folder.output.open("wb") as output:
            command = self._command(binary, port, standalone)
            process = self._process = launch(command, output=output, keep_open=self._lock)
        until = time.monotonic() + _START_SECONDS
        while _is_free(port):
            code = process.poll()
            if code is not None:
                reason = explain_exit(code, self._folder.output.read_text(errors="replace"))
                raise Unavailable(f"{reason}{last_failure(self._folder.log)} (log: {self._folder.log})")
            if time.monotonic() > until:
                raise Unavailable(f"MongoDB did not answer within {_START_SECONDS:.0f} s (log: {self._folder.log})")
            time.sleep(0.01)

    def _command(self, binary: Path, port: int, standalone: bool) -> list[str]:
        parameters = {
            "diagnosticDataCollectionEnabled": "false",  # metrics files that grow for nobody
            "shutdownTimeoutMillisForSignaledShutdown": "100",  # no other member could take over meanwhile
            "enableTestCommands": "1" if self._test_commands else "0",
        }
        return [
            str(binary),
            *("--dbpath", str(self._folder.data), "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket"),
            *(() if standalone else ("--replSet", _REPLICA_SET, "--oplogSize", str(self._oplog_mb))),
            *("--auth", "--keyFile", str(self._folder.keyfile)),
            *("--wiredTigerCacheSizeGB", str(max(self._cache_mb, 256) / 1024)),
            *("--logpath", str(self._folder.log), "--logappend", "--quiet"),
            *("--slowms", "1000000", "--slowOpSampleRate", "0"),  # the log of slow operations would quote documents
            *(part for name, value in parameters.items() for part in ("--setParameter", f"{name}={value}")),
        ]

    def _set_up(self, port: int) -> None:
        """Bring the folder to its one state from any state a kill may have left: initiated, users made, primary."""
        secrets = self._folder.secrets()
        with _client(port) as nobody:
            if "setName" not in nobody.admin.command("hello"):
                _initiate(nobody, port)
            _await_primary(nobody)
        self._ensure_admin(port)
        with _client(port, username="admin", password=secrets.admin) as admin:
            if not admin.admin.command("usersInfo", "program")["users"]:
                admin.admin.command("createUser", "program", pwd=secrets.program, roles=_PROGRAM_ROLES, **_MECHANISM)

    def _ensure_admin(self, port: int) -> None:
        password = self._folder.secrets().admin
        with _client(port, username="admin", password=password) as admin:
            try:
                admin.admin.command("ping")
                return
            except OperationFailure as error:
                if error.code != _AUTHENTICATION_FAILED:
                    raise
        with _client(port) as nobody:  # allowed from this machine as long as there is no user at all
            nobody.admin.command("createUser", "admin", pwd=password, roles=_ADMIN_ROLES, **_MECHANISM)


_MECHANISM: dict[str, Any] = {"mechanisms": ["SCRAM-SHA-256"]}


def _client(port: int, *, username: str | None = None, password: str | None = None) -> MongoClient[dict[str, Any]]:
    wait_ms = 10_000
    return MongoClient(
        "127.0.0.1",
        port,
        directConnection=True,
        serverSelectionTimeoutMS=wait_ms,
        connectTimeoutMS=wait_ms,
        username=username,
        password=password,
    )


def _initiate(nobody: MongoClient[dict[str, Any]], port: int) -> None:
    try:
        member = {"_id": 0, "host": f"127.0.0.1:{port}"}
        nobody.admin.command("replSetInitiate", {"_id": _REPLICA_SET, "members": [member]})
    except OperationFailure as error:  # it was, and is still loading its configuration
        if error.code not in (_ALREADY_INITIALIZED, _UNAUTHORIZED):
            raise


def _await_primary(client: MongoClient[dict[str, Any]]) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        try:
            if client.admin.command("hello")["isWritablePrimary"]:
                return
        except AutoReconnect:  # a reconfiguration closes connections
            pass
        time.sleep(0.01)
    raise Unavailable("MongoDB runs but did not become primary")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
