"""What takes how long: promises in seconds and in ratios, looked at by hand on a machine with nothing else to do.

    python -m pytest tests/benchmarks -q -s
    CHARTVAULT_DEADLINES=1 python -m pytest -q       also holds the other tests to their promises (`tests/deadlines.py`)

The run of all tests leaves this folder out (`norecursedirs` in pyproject.toml): on a busy machine a clock says nothing about
this program. What each of these tests shows besides its figures, the others show without a clock.
"""

from __future__ import annotations

from tests.api.conftest import app, settings
from tests.api.fhir.test_access_probes import ward
from tests.api.v1.conftest import clinic, installation
from tests.journeys.conftest import serve_two
from tests.storage.blobs.test_s3_faults import proxy
from tests.storage.conftest import moto
from tests.storage.mongo.test_cold_keys import opened

__all__ = ("app", "clinic", "installation", "moto", "opened", "proxy", "serve_two", "settings", "ward")
