"""`domain.ports.AuditTrail` in memory, for fast tests of the domain. Held to `tests/contracts/audit_trail.py`."""

from __future__ import annotations

from domain.audit import AuditEntry
from domain.errors import AuditUnavailable


class MemoryAuditTrail:
    """Keeps entries in a list, oldest first. With `failing` set it stores nothing, as a full disk would."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []
        self.failing = False

    async def record(self, entry: AuditEntry) -> None:
        if self.failing:
            raise AuditUnavailable("The audit record cannot be stored")
        self.entries.append(entry)

    async def close(self) -> None:
        return
