"""What the process counts, for Prometheus: requests and their durations by interaction and status.

Labels are names of interactions and numbers of statuses: never a path, an id or a parameter. With several workers each
scrape adds up all of them (PROMETHEUS_MULTIPROC_DIR is set by `chartvault serve`).
"""

from __future__ import annotations

import os
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)

_seconds = Histogram(
    "chartvault_request_seconds",
    "Time from the request line to the last byte of the reply",
    ["interaction"],
    buckets=_BUCKETS,
)
_requests = Counter("chartvault_requests_total", "Requests answered", ["interaction", "status"])


@lru_cache(maxsize=512)
def _of(interaction: str, status: int) -> tuple[Histogram, Counter]:
    return _seconds.labels(interaction), _requests.labels(interaction, str(status))


def observe(interaction: str, status: int, seconds: float) -> None:
    """Count one request."""
    histogram, counter = _of(interaction, status)
    histogram.observe(seconds)
    counter.inc()


def exposition() -> bytes:
    """All metrics in Prometheus text form."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
    return generate_latest()
