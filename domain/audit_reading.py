"""Reading the audit: who may see which entries, and what of them. The accounting of disclosures of 45 CFR 164.528.

ACCESS.md section 1, row AuditEvent: super administrators see what concerns no patient, administrators what people of their
organisations did, people who treat patients their own accesses, a patient every access to their own record, a program
what its scopes grant. The raw query may hold names: besides programs only whoever asked it sees it again. A patient sees
of an entry nothing that is about somebody else. Compiled into the filter before any limit, like every rule of access.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import msgspec

from domain.access import Caller, Role, require
from domain.audit import READ_ONLY, Action
from domain.errors import Forbidden
from domain.search import HistoryKey

OWN_ACCESSES: frozenset[Role] = frozenset({"DOCTOR", "NURSE", "DIETICIAN"})


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


class Opening(NamedTuple):
    """What of one entry may be opened."""

    query: bool
    network: bool


class AuditReading(Protocol):
    """The recorded entries. Implemented by `storage.mongo.audit_reading`."""

    async def find(self, query: AuditQuery) -> AuditPage:
        """One page, by time and then by name. Raises `Unavailable` when the database does not answer in time."""
        ...

    async def open(self, records: Sequence[AuditRecord], openings: Sequence[Opening]) -> list[AuditRecord]:
        """The records with what may be opened of each. Raises `IntegrityFailure` for altered bytes."""
        ...


class Sight(NamedTuple):
    """What a caller may see of the audit: the entries of `scopes`, and of each what `shown` leaves."""

    subject: str
    everything: bool
    patients: frozenset[str]
    organizations: frozenset[str]
    system: bool
    own: bool

    def scopes(self, query: AuditQuery) -> tuple[Scope, ...]:
        """The reasons to see entries, narrow enough that no filter of `query` tells what `shown` would hide."""
        if self.everything:
            return (EVERYTHING,)
        found: list[Scope] = []
        if self.own:
            found.append(Scope(subject=self.subject))
        if self.organizations:
            found.append(Scope(organizations=tuple(sorted(self.organizations))))
        if self.system:
            found.append(Scope(system=True))
        mine = self.patients if query.patients is None else self.patients & set(query.patients)
        if mine:
            found.append(Scope(patients=tuple(sorted(mine)), alone=query.targets is not None))
        return tuple(found)

    def opening(self, record: AuditRecord) -> Opening:
        if self.everything or (self.own and record.subject == self.subject):
            return Opening(query=True, network=True)
        return Opening(query=False, network=self._administers(record))

    def shown(self, record: AuditRecord) -> AuditRecord:
        """The entry without what is about other patients than the caller's own, for who sees it for that reason alone."""
        if self.everything or (self.own and record.subject == self.subject) or self._administers(record):
            return record
        mine = tuple(patient for patient in record.patients if patient in self.patients)
        alone = len(mine) == len(record.patients)
        return msgspec.structs.replace(record, patients=mine, targets=record.targets if alone else ())

    def _administers(self, record: AuditRecord) -> bool:
        return bool(self.organizations & set(record.organizations)) or (self.system and not record.patients)


def sight_of(caller: Caller) -> Sight:
    """What the caller may see. Raises `Forbidden` for who may see nothing by rule."""
    if caller.account is None:
        return Sight(caller.subject, True, frozenset(), frozenset(), False, False)
    themselves = [name.removeprefix("Patient/") for name in caller.profiles if name.startswith("Patient/")]
    sight = Sight(
        caller.subject,
        everything=False,
        patients=frozenset(themselves) if "PATIENT" in caller.roles else frozenset(),
        organizations=frozenset(caller.organizations) if "ADMIN" in caller.roles else frozenset(),
        system="SUPER_ADMIN" in caller.roles,
        own=bool(caller.roles & OWN_ACCESSES),
    )
    if not (sight.patients or sight.organizations or sight.system or sight.own):
        raise Forbidden("This account may not read the audit")
    return sight


async def find_entries(reading: AuditReading, caller: Caller, query: AuditQuery) -> AuditPage:
    """One page of what the caller may see of the entries `query` asks for, opened as far as they may.

    Raises `Forbidden` for who may see none by rule, or whose token does not allow it.
    """
    require(caller, "s" if query.ids is None else "r", READ_ONLY)
    sight = sight_of(caller)
    if caller.account is not None and caller.patient is not None:
        # An app that was launched for one patient learns of no other.
        within = {caller.patient} if query.patients is None else {caller.patient} & set(query.patients)
        query = msgspec.structs.replace(query, patients=tuple(within))
    scopes = sight.scopes(query)
    if not scopes:
        return AuditPage((), total=0 if query.total else None)
    page = await reading.find(msgspec.structs.replace(query, scopes=scopes))
    opened = await reading.open(page.records, [sight.opening(record) for record in page.records])
    return msgspec.structs.replace(page, records=[sight.shown(record) for record in opened])
