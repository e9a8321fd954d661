"""What takes how long: promises in seconds and in ratios, looked at by hand on a machine with nothing else to do.

    python -m pytest tests/benchmarks -q -s

The run of all tests leaves this folder out (`norecursedirs` in pyproject.toml): on a busy machine a clock says nothing about
this program. What each of these tests shows besides its figures, the others show without a clock.
"""

from __future__ import annotations

from tests.api.conftest import app, settings
from tests.api.fhir.test_access_probes import ward
from tests.api.v1.conftest import clinic, installation
from tests.journeys.conftest import serve_two
from tests.storage.mongo.test_cold_keys import opened

__all__ = ("app", "clinic", "installation", "opened", "serve_two", "settings", "ward")
