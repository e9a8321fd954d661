"""The HTTP server: granian with N worker processes, its limits against slow clients, and the life of its workers.

https://github.com/emmett-framework/granian. Invariants: no worker outlives the main process, however that ends; a
worker that crashes is replaced; SIGTERM lets running requests finish. Below 2.8 granian buffers for slow readers
without bound.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from api.settings import Settings
from domain.errors import Unavailable

_PR_SET_PDEATHSIG = 1
_TARGET = "api.app:create_app"
MAX_HEADER_BYTES = 128 * 1024
"""Also the size of the pieces a body arrives in."""


_SOON_SECONDS = 5.0
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.25, 2.0


class Server(MPServer):
    """Granian that calls `on_workers` once its workers exist; only then may the main process have other threads.

    And that never gives up: granian ends the whole server when a worker dies within 5.5 s of its start. Here it is
    started again after a pause that grows, since what killed it (memory, a database that is away) may be over by then.
    """

    on_workers: Callable[[], None] | None = None
    _respawned = float("-inf")
    _pause = _PAUSE_SECONDS

    def startup(self, spawn_target: Any, target_loader: Any) -> None:
        super().startup(spawn_target, target_loader)  # type: ignore[no-untyped-call]
        if self.on_workers is not None:
            self.on_workers()

    def _respawn_workers(self, workers: Any, spawn_target: Any, target_loader: Any, delay: float = 0) -> None:
        soon = time.monotonic() - self._respawned < _SOON_SECONDS
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS) if soon else _PAUSE_SECONDS
        if soon:
            self.main_loop_interrupt.wait(self._pause)  # a signal to stop ends the pause
        super()._respawn_workers(workers, spawn_target, target_loader, delay)
        self.respawned_wrks.clear()
        self._respawned = time.monotonic()


def serve(settings: Settings, on_workers: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT. Workers take their settings from the environment of this process."""
    server = Server(
        _TARGET,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        backlog=2048,
        backpressure=settings.max_connections,
        http1_settings=HTTP1Settings(
            header_read_timeout=int(settings.header_seconds * 1000), max_buffer_size=MAX_HEADER_BYTES
        ),
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=settings.shutdown_seconds,
    )
    server.on_workers = on_workers
    server.serve(target_loader=_load_application)


def require_free(host: str, port: int) -> None:
    """Raise `Unavailable` unless the address can be listened on.

    Granian shares ports between its workers, so it would share one with a second server too, silently.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            taken = f"Port {port} on {host} is in use: stop what listens there, or give another --port"
            other = f"Cannot listen on {host}:{port}: {error.strerror}"
            raise Unavailable(taken if error.errno == errno.EADDRINUSE else other) from error


def in_background(work: Callable[[], None], name: str) -> None:
    """Run `work` beside the server, in a thread that never keeps the program alive."""
    threading.Thread(target=work, name=name, daemon=True).start()


def _load_application(_: str) -> Any:
    """In the new worker: end with the main process, then build the application."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent or parent == 1:
            os._exit(1)
    from api.app import create_app

    return create_app()
