"""`domain.grants.GrantBook` in memory, for fast tests of the domain. Held to `tests/contracts/break_glass.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from domain.break_glass import Grant, Review
from domain.grants import GrantPage


class MemoryGrantBook:
    """Grants by id, in the order they were added."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._grants: dict[str, Grant] = {}
        self._alerted: set[str] = set()

    async def active(self, account: str, patient: str) -> bool:
        return patient in await self.patients(account)

    async def patients(self, account: str) -> frozenset[str]:
        now = self._clock()
        return frozenset(each.patient for each in self._grants.values() if each.account == account and each.active(now))

    async def add(self, grant: Grant) -> None:
        self._grants[grant.id] = grant

    async def find(self, grant_id: str) -> Grant | None:
        return self._grants.get(grant_id)

    async def page(
        self, *, pending: bool, organizations: Sequence[str] | None, account: str | None, after: str | None, count: int
    ) -> GrantPage:
        found = [
            each
            for _, each in sorted(self._grants.items())
            if not (pending and each.review)
            and (organizations is None or set(organizations) & set(each.organizations))
            and account in (None, each.account)
            and (after is None or each.id > after)
        ]
        return GrantPage(found[:count], found[count - 1].id if len(found) > count > 0 else None)

    async def record_review(self, grant_id: str, review: Review) -> bool:
        grant = self._grants.get(grant_id)
        if grant is None or grant.review is not None:
            return False
        self._grants[grant_id] = msgspec.structs.replace(grant, review=review)
        return True

    async def untold(self) -> Grant | None:
        return next((each for _, each in sorted(self._grants.items()) if each.id not in self._alerted), None)

    async def told(self, grant_id: str) -> None:
        self._alerted.add(grant_id)
