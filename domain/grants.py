"""Where emergency access is kept, as protocols. Implemented by `storage.mongo.break_glass` and
`storage.memory.break_glass`; held to `tests/contracts/break_glass.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from domain.break_glass import Grant, Review


class Grants(Protocol):
    """What the access policy asks when relation, consent or labels would refuse.

    Both raise `Unavailable` when the database does not answer: no answer is no access.
    """

    async def active(self, account: str, patient: str) -> bool:
        """Whether the account holds an active grant for the patient, now."""
        ...

    async def patients(self, account: str) -> frozenset[str]:
        """The patients the account holds active grants for, now."""
        ...


class GrantPage(msgspec.Struct, frozen=True):
    """Grants, the oldest first, and after which one the next page starts."""

    grants: Sequence[Grant]
    next: str | None = None


class GrantBook(Grants, Protocol):
    """The grants and their reviews."""

    async def add(self, grant: Grant) -> None:
        """Durable when it returns. Raises `Gone` for an erased patient."""
        ...

    async def find(self, grant_id: str) -> Grant | None:
        """One grant; its reason is empty when the patient was erased since."""
        ...

    async def page(
        self, *, pending: bool, organizations: Sequence[str] | None, account: str | None, after: str | None, count: int
    ) -> GrantPage:
        """Grants in the order they were opened, after the one of that id: those not reviewed yet when `pending`; those of
        accounts of one of `organizations`, of everybody with `None`; those of `account` only, if given."""
        ...

    async def record_review(self, grant_id: str, review: Review) -> bool:
        """Store the first review; false when there is one already, or no such grant."""
        ...

    async def untold(self) -> Grant | None:
        """The oldest grant that nobody was told of yet."""
        ...

    async def told(self, grant_id: str) -> None:
        """The letters about a grant are in the outbox."""
        ...
