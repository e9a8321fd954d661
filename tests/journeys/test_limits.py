"""One limit over four worker processes of a running server."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from domain.throttling import WINDOW_SECONDS
from tests.journeys.processes import Served, connection

LIMIT, REQUESTS, CONNECTIONS = 100, 256, 32


async def test_four_workers_hold_one_limit(tmp_path: Path) -> None:
    served = Served(tmp_path, "--workers", "4", rate_limit=str(LIMIT), log_level="error")
    served.start()
    try:
        headers, began = served.headers(), time.monotonic()
        some = (_some(served.base, headers, REQUESTS // CONNECTIONS) for _ in range(CONNECTIONS))
        answers = await asyncio.gather(*some)
        windows = 1 + int(time.monotonic() - began) // WINDOW_SECONDS
    finally:
        served.stop()
    statuses = [status for some in answers for status in some]
    assert set(statuses) <= {404, 429}
    assert 95 <= statuses.count(404) <= 110 * windows, statuses.count(404)


async def _some(base: str, headers: dict[str, str], number: int) -> list[int]:
    """Requests one after the other; a new connection for each, so that they reach all workers."""
    statuses = []
    for _ in range(number):
        async with connection(base, headers) as client:
            statuses.append((await client.get("Patient/unknown")).status_code)
    return statuses
