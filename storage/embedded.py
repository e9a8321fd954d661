"""The private MongoDB of a single machine: one command and no set-up, yet the real server with real transactions.

A replica set of one on 127.0.0.1, authenticated (key file, generated passwords), in a folder only its owner can read.
It ends with the program that started it, also when that is killed, and a folder left by `kill -9` starts again with
everything that was acknowledged. `storage/embedded_folder.py` keeps the folder, `storage/embedded_binary.py` finds and
launches the server.
https://www.mongodb.com/docs/manual/core/security-users/#localhost-exception
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pymongo.errors import OperationFailure, PyMongoError

from domain.errors import Unavailable
from storage.embedded_binary import explain_exit, find_mongod, last_failure, launch
from storage.embedded_folder import EmbeddedFolder
from storage.embedded_setup import REPLICA_SET, move_member, set_up

_START_SECONDS = 60.0
"""Longest start seen is the recovery after `kill -9` under load; a healthy one takes about 0.3 s."""
_EVICTION = "eviction_dirty_target=40,eviction_dirty_trigger=60,eviction_updates_target=20,eviction_updates_trigger=40"
"""Pages may stay changed in memory until the checkpoint of the minute. By default, with a cache of this size, threads write
the same pages of the audit's indexes over and over: more than half of the database's work (storage/mongo/DECISIONS.md)."""
_STOP_SECONDS = 30.0
_HEALTHY_SECONDS = 5.0
_RESTART_SECONDS = 0.2
_LONGEST_RESTART_SECONDS = 10.0


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
        self._changing = threading.Lock()
        self._stopping = threading.Event()

    def __repr__(self) -> str:
        return f"EmbeddedMongo({self._folder.path})"

    def start(self) -> str:
        """Run the server and return its URI once it takes writes.

        The URI holds a password: never print it. Raises `Unavailable` that says what to do when the folder is in use
        or the server cannot run here.
        """
        binary = find_mongod(self._binary)
        self._stopping.clear()
        self._lock = self._folder.take()
        try:
            secrets = self._folder.secrets()
            port = self._settle(binary)
            self._run(binary, port)
            set_up(port, secrets)
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

    def keep_running(self, on_restart: Callable[[int], None]) -> None:
        """Start the server again whenever it ends by itself: killed, out of memory, disk full until there is space.

        `on_restart` gets the exit code, before each new try. Works in a thread of its own until `stop`.
        """
        threading.Thread(target=self._watch, args=(on_restart,), name="embedded-mongo", daemon=True).start()

    def _watch(self, on_restart: Callable[[int], None]) -> None:
        wait_seconds = _RESTART_SECONDS
        while (process := self._process) is not None:
            began = time.monotonic()
            code = process.wait()
            with self._changing:
                if self._stopping.is_set():
                    return
                on_restart(code)
                healthy = time.monotonic() - began > _HEALTHY_SECONDS
                wait_seconds = _RESTART_SECONDS if healthy else min(2 * wait_seconds, _LONGEST_RESTART_SECONDS)
                if self._stopping.wait(wait_seconds):
                    return
                with contextlib.suppress(Unavailable):  # the next round sees its exit code
                    self._run(find_mongod(self._binary), self._folder.port or _free_port())

    def stop(self) -> None:
        """End the server cleanly and free the folder. Harmless when it does not run."""
        self._stopping.set()
        with self._changing:
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
            f"?authSource=admin&authMechanism=SCRAM-SHA-256&replicaSet={REPLICA_SET}"
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
        move_member(port, self._folder.secrets())
        self._end_process()

    def _run(self, binary: Path, port: int, *, standalone: bool = False) -> None:
        """Launch and wait until the port takes connections."""
        self._folder.trim_log()
        assert self._lock is not None  # noqa: S101 - taken by start()
        with self._folder.output.open("wb") as output:
            command = self._command(binary, port, standalone)
            process = self._process = launch(command, output=output, keep_open=self._lock)
        until = time.monotonic() + _START_SECONDS
        while _is_free(port) and not self._stopping.is_set():
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
            # The files of a dropped collection stay open for as long as old snapshots may be read, and until a checkpoint.
            # Tests drop thousands: the database would run out of files.
            **({"minSnapshotHistoryWindowInSeconds": "20", "syncdelay": "10"} if self._test_commands else {}),
        }
        return [
            str(binary),
            *("--dbpath", str(self._folder.data), "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket"),
            *(() if standalone else ("--replSet", REPLICA_SET, "--oplogSize", str(self._oplog_mb))),
            *("--auth", "--keyFile", str(self._folder.keyfile)),
            *("--wiredTigerCacheSizeGB", str(max(self._cache_mb, 256) / 1024)),
            *("--wiredTigerEngineConfigString", _EVICTION),
            *("--logpath", str(self._folder.log), "--logappend", "--quiet"),
            *("--slowms", "1000000", "--slowOpSampleRate", "0"),  # the log of slow operations would quote documents
            *(part for name, value in parameters.items() for part in ("--setParameter", f"{name}={value}")),
        ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
