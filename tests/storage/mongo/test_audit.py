"""The MongoDB trail keeps the contract."""

from __future__ import annotations

import pytest

from storage.mongo.client import Database
from tests.contracts.audit_trail import AuditTrailContract, Recorded


@pytest.fixture
def recorded(data: Database) -> Recorded:
    async def recorded() -> list[str]:
        return [entry["request_id"] async for entry in data["audit"].find(sort=["_id"])]

    return recorded


class TestMongoAuditTrail(AuditTrailContract):
    pass
