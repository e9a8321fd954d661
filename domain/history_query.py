"""What a history asks for: https://hl7.org/fhir/R4/http.html#history"""

from __future__ import annotations

from datetime import datetime

import msgspec

from domain.identity import ResourceKey
from domain.search import Condition


class HistoryQuery(msgspec.Struct, frozen=True):
    """One history: of an instance (`key`), a type (`type`) or the system (neither). Newest first.

    `since` and `before` bound the time of the versions (`[since, before)`),
    `at` selects the versions current at some moment of `[at_low, at_high)`. `conditions` are those of access: each must
    hold for the version as it was and for the resource as it is.
    """

    key: ResourceKey | None = None
    type: str | None = None
    since: datetime | None = None
    at_low: datetime | None = None
    at_high: datetime | None = None
    count: int = 50
    after: HistoryKey | None = None
    conditions: tuple[Condition, ...] = ()


class HistoryKey(msgspec.Struct, frozen=True):
    """Where the next history page starts: strictly after this version in newest-first order."""

    recorded: datetime
    name: str
