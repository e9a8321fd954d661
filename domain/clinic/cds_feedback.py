"""What clinicians did with the alerts they were shown: kept to see which ones are overridden all the time.

Only codes are kept. What somebody wrote may name the patient, and is not needed to count.
https://cds-hooks.hl7.org/2.0/#feedback
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

import msgspec

Outcome: TypeAlias = Literal["accepted", "overridden"]


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one card. `alert` is the beginning of the alert's id; `reason` the code of an override."""

    service: str
    card: str
    alert: str
    outcome: Outcome
    reason: str | None
    at: datetime
    by: str


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """How often cards of a service ended so."""

    service: str
    alert: str
    outcome: Outcome
    reason: str | None
    times: int


class FeedbackBook(Protocol):
    """Implemented by `storage.mongo.cds_feedback`."""

    async def add(self, rows: Sequence[Feedback]) -> None:
        """Store what became of each card; the same card again replaces what was said before."""
        ...

    async def counted(self) -> Sequence[Counted]:
        """Everything that was said, counted, the most frequent first; at most 1,000 rows."""
        ...
