"""The ceilings are measured on a real MongoDB and leave nothing behind."""

from __future__ import annotations

from typing import Any

from pymongo import MongoClient

from api.bench.calibration import KINDS, calibrate


async def test_every_ceiling_is_measured_and_nothing_stays(
    mongo_uri: str, mongo_admin: MongoClient[dict[str, Any]]
) -> None:
    found = await calibrate(mongo_uri, KINDS, seconds=0.2)
    assert list(found) == list(KINDS)
    assert all(rate > 0 for rate in found.values())
    assert "chartvault_bench" not in mongo_admin.list_database_names()
