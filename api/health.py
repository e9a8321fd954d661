"""Probes and metrics: what an orchestrator and a monitoring system ask. No token, no data, no audit.

`/healthz` says the process answers; `/readyz` says it can serve: the database takes a majority write's round trip and the
keys can be used. Both are cheap enough to be asked every second.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from litestar import Response, get
from litestar.datastructures import State

from api.metrics import exposition
from domain.errors import Unavailable

Ready = Callable[[], Awaitable[None]]
"""Raises `Unavailable` while the process cannot serve."""


@get("/healthz", include_in_schema=False, sync_to_thread=False)
def healthz() -> Response[bytes]:
    """The process runs."""
    return Response(b'{"status":"ok"}', media_type="application/json")


@get("/readyz", include_in_schema=False)
async def readyz(state: State) -> Response[bytes]:
    """The process can serve; 503 while it cannot."""
    ready: Ready = state.ready
    try:
        await ready()
    except Unavailable:
        return Response(b'{"status":"unavailable"}', media_type="application/json", status_code=503)
    return Response(b'{"status":"ok"}', media_type="application/json")


@get("/metrics", include_in_schema=False, sync_to_thread=True)
def metrics() -> Response[bytes]:
    """Prometheus metrics."""
    return Response(exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")


HANDLERS = [healthz, readyz, metrics]
