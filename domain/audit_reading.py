"""Reading the audit: the entries as found, what can be asked of them, and the port that answers.

Who may see what of them is decided in `domain/audit_sight.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import msgspec

from domain.audit import Action
from domain.history_query import HistoryKey


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One entry as found. `query` and `network` are `None` until they are opened; `handle` is for the store that found it."""

    id: str
    recorded: datetime
    interaction: str
    action: Action
    outcome: str
    status: int
    subject: str
    client: str
    request_id: str
    targets: tuple[str, ...]
    patients: tuple[str, ...]
    roles: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()
    purpose: tuple[str, ...] = ()
    query: str | None = None
    network: str | None = None
    has_query: bool = False
    handle: Any = None

    def __repr__(self) -> str:
        return f"AuditRecord({self.id})"


class Opening(NamedTuple):
    """What of one entry may be opened."""

    query: bool
    network: bool


class Scope(msgspec.Struct, frozen=True):
    """One reason to see entries; every field that is given must hold. `system`: about no patient. `alone`: about no
    patient but those of `patients`."""

    subject: str | None = None
    patients: tuple[str, ...] | None = None
    organizations: tuple[str, ...] | None = None
    system: bool = False
    alone: bool = False


EVERYTHING = Scope()


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries: one of `scopes` allows it, and every filter holds. Within one filter any value will do.

    `times` are intervals `[low, high)`, each of which must hold the time of the entry. `targets` are `Type/id`, of any version;
    `other_than` are interactions left out.
    """

    scopes: tuple[Scope, ...] = (EVERYTHING,)
    ids: tuple[str, ...] | None = None
    times: tuple[tuple[datetime | None, datetime | None], ...] = ()
    subjects: tuple[str, ...] | None = None
    profiles: tuple[str, ...] | None = None
    patients: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None
    interactions: tuple[str, ...] | None = None
    other_than: tuple[str, ...] | None = None
    actions: tuple[str, ...] | None = None
    outcomes: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None
    oldest_first: bool = False
    count: int = 50
    after: HistoryKey | None = None
    total: bool = False


class AuditPage(msgspec.Struct, frozen=True):
    """Entries in order, where the next page starts, and how many there are in all when that was asked."""

    records: Sequence[AuditRecord]
    next: HistoryKey | None = None
    total: int | None = None


class AuditReading(Protocol):
    """The recorded entries. Implemented by `storage.mongo.audit_reading`."""

    async def find(self, query: AuditQuery) -> AuditPage:
        """One page, by time and then by name. Raises `Unavailable` when the database does not answer in time."""
        ...

    async def open(self, records: Sequence[AuditRecord], openings: Sequence[Opening]) -> list[AuditRecord]:
        """The records with what may be opened of each. Raises `IntegrityFailure` for altered bytes."""
        ...
