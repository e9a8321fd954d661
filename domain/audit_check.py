"""Checking the audit a part at a time, for administrators: were entries changed, removed or added?

`chartvault verify` examines everything there is in one go; this answers over HTTP, within a bound.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from domain.access import Caller, require_scope
from domain.audit import READ_ONLY
from domain.errors import Forbidden


class Examined(msgspec.Struct, frozen=True):
    """How many entries were examined, what was found (where, and what is wrong), and where to go on."""

    entries: int
    findings: tuple[tuple[str, str], ...]
    next: str | None


class AuditCheck(Protocol):
    """Implemented by `storage.mongo.audit_reading`."""

    async def examine(self, place: str, count: int) -> Examined:
        """Examine at most `count` entries from `place`, the `next` of an earlier call; from the beginning if empty."""
        ...


async def examined(check: AuditCheck, caller: Caller, place: str, count: int) -> Examined:
    """A part of the audit, examined. Raises `Forbidden` for who is no administrator."""
    require_scope(caller, "r", READ_ONLY)
    if caller.account is not None and caller.roles.isdisjoint({"ADMIN", "SUPER_ADMIN"}):
        raise Forbidden("The audit is checked by administrators")
    return await check.examine(place, count)
