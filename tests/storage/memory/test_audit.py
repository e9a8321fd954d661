"""The in-memory trail keeps the contract."""

from __future__ import annotations

import pytest

from storage.memory.audit import MemoryAuditTrail
from tests.contracts.audit_trail import AuditTrailContract, Recorded


@pytest.fixture
def trail() -> MemoryAuditTrail:
    return MemoryAuditTrail()


@pytest.fixture
def recorded(trail: MemoryAuditTrail) -> Recorded:
    async def recorded() -> list[str]:
        return [entry.request_id for entry in trail.entries]

    return recorded


class TestMemoryAuditTrail(AuditTrailContract):
    pass
