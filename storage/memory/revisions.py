"""`domain.ports.RevisionStore` in memory, for fast tests of the domain. Seals nothing and forgets everything.

Held to the same suite as the MongoDB store (`tests/contracts/revision_store.py`), which is what makes a test against it
worth something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from domain.candidates import Page, Source, candidates_of, needs_opening
from domain.candidates import find as find_opened
from domain.cells import Held
from domain.errors import DomainError, Gone, VersionConflict
from domain.history_query import HistoryKey, HistoryQuery
from domain.identity import ResourceKey
from domain.matching import fits
from domain.ports import Inspect
from domain.revision import Change, Description, Head, Receipt, Stored, Write
from domain.search import Condition, PageKey, SearchQuery, SortKey, reference_term
from storage.memory.audit import MemoryAuditTrail
from storage.memory.blobs import MemoryBlobs
from storage.memory.conditions import MemoryConditions
from storage.memory.notices import MemoryNotices
from storage.memory.rows import Row, row_of

Placed = tuple[tuple[Any, ...], Stored]


class Owners(NamedTuple):
    """`domain.ports.Owners`."""

    patients: Sequence[str]
    unowned: Sequence[Stored]


class Versions(NamedTuple):
    """`domain.ports.HistoryPage`."""

    versions: Sequence[Stored]
    next: HistoryKey | None
    total: int


class MemoryRevisionStore:
    """Resources and versions in dictionaries; the audit entries of writes go to `trail`, their blobs are in `blobs`."""

    def __init__(
        self,
        trail: MemoryAuditTrail | None = None,
        inspect: Inspect | None = None,
        blobs: MemoryBlobs | None = None,
    ) -> None:
        self._inspect = inspect
        self.blobs = blobs or MemoryBlobs()
        self.trail = trail or MemoryAuditTrail()
        self._places = 0
        self._newest: dict[ResourceKey, Row] = {}
        self._versions: dict[str, Row] = {}
        self._conditions = MemoryConditions()
        self.notices = MemoryNotices()
        self._erased: set[str] = set()

    async def close(self) -> None:
        return

    async def newest(self, key: ResourceKey) -> Stored | None:
        row = self._newest.get(key)
        return None if row is None else row.stored

    async def newest_of(self, keys: Sequence[ResourceKey]) -> list[Stored | None]:
        return [await self.newest(key) for key in keys]

    async def version(self, key: ResourceKey, version: int) -> Stored | None:
        row = self._versions.get(key.at(version))
        return None if row is None else row.stored

    async def open(self, stored: Sequence[Stored]) -> list[bytes | DomainError]:
        return [self._open(one) for one in stored]

    def _open(self, stored: Stored) -> bytes | DomainError:
        head = stored.head
        if head.erased or head.patient in self._erased:
            return Gone(f"{head.key} was erased")
        if head.deleted:
            return Gone(f"{head.key} was deleted")
        content: bytes = stored.handle
        return content

    async def claim(self, names: Sequence[str]) -> list[int]:
        return self._conditions.claim(names)

    async def cells(self, names: Sequence[str]) -> list[Held]:
        return self._conditions.held(names)

    async def receipt(self, name: str) -> Receipt | None:
        return self._conditions.receipt(name)

    async def commit(self, write: Write) -> None:
        self._require_possible(write)
        await self.trail.record(write.audit)
        rows = [row_of(change, self._place_of(change), write.audit.subject) for change in write.changes]
        for row in rows:
            self._newest[row.stored.head.key] = row
            self._versions[row.stored.head.key.at(row.stored.head.version)] = row
        self.blobs.publish(write.blobs)
        self._conditions.store(write)
        self.notices.store(write.notices)

    def _place_of(self, change: Change) -> int:
        kept = self._newest.get(change.revision.key)
        self._places += kept is None
        return self._places if kept is None else kept.place

    def _require_possible(self, write: Write) -> None:
        written: set[ResourceKey] = set()
        for change in write.changes:
            key = change.revision.key
            newest = self._newest.get(key)
            if key in written:
                raise VersionConflict(f"{key} is written twice by one request")
            if (newest.stored.head.version if newest else 0) != change.replaces:
                raise VersionConflict(f"{key} is no longer at version {change.replaces}")
            if change.description is not None and change.description.patient in self._erased:
                raise Gone(f"Patient/{change.description.patient} was erased")
            written.add(key)
        for notice in write.notices:
            if notice.patient in self._erased:
                raise Gone(f"Patient/{notice.patient} was erased")
        self._conditions.require(write)
        self.blobs.require_pending(write.blobs)

    def erase(self, patient: str) -> None:
        """Make everything sealed for this patient unreadable; what remains says so."""
        self._erased.add(patient)
        self.blobs.erase(patient)
        self.notices.erase(patient)
        for key, (stored, _, place) in list(self._newest.items()):
            if stored.head.patient == patient:
                head = msgspec.structs.replace(stored.head, deleted=True, erased=True)
                self._newest[key] = Row(Stored(head), Description(patient=patient, patients=(patient,)), place)

    async def found(self, stored: Sequence[Stored]) -> list[frozenset[str]]:
        rows = [self._newest.get(one.head.key) for one in stored]
        return [
            row.description.found if row is not None and row.stored.head.version == one.head.version else frozenset()
            for one, row in zip(stored, rows, strict=True)
        ]

    async def find(self, query: SearchQuery) -> Page:
        if needs_opening(query):
            if self._inspect is None:
                raise ValueError("this store was given nothing to look inside resources with")
            return await find_opened(Source(self._find, self.open, self._key_of, self._inspect, self.found), query)
        return await self._find(query)

    async def _find(self, query: SearchQuery) -> Page:
        rows = self._selected_by(query)
        places = [(_position(query.sort, self._key_of(row.stored)), row.stored) for row in rows]
        descending = query.sort.startswith("-")
        found = sorted(places, key=lambda pair: pair[0], reverse=descending)
        if query.after is not None:
            start = _position(query.sort, query.after)
            found = [pair for pair in found if (pair[0] < start if descending else pair[0] > start)]
        matches = [stored for _, stored in found[: query.count]]
        more = bool(matches) and len(found) > query.count
        total = None if query.total == "none" else len(rows)
        return Page(matches, self._key_of(matches[-1]) if more else None, total)

    def _key_of(self, stored: Stored) -> PageKey:
        row = self._newest[stored.head.key]
        return PageKey(stored.head.key.id, stored.head.recorded, row.place, row.low)

    def _selected_by(self, query: SearchQuery) -> list[Row]:
        live = [row for row in self._newest.values() if row.stored.head.key.type == query.type]
        return [row for row in live if not row.stored.head.deleted and all(map(row.satisfies, query.conditions))]

    async def keys(self, queries: Sequence[SearchQuery], *, limit: int) -> list[ResourceKey]:
        found = [stored.head.key for query in queries for stored in await self._all(query, limit)]
        return list(dict.fromkeys(found))[:limit]

    async def owners(self, query: SearchQuery, *, limit: int) -> Owners:
        found = await self._all(query, len(self._newest))
        patients = dict.fromkeys(stored.head.patient for stored in found if stored.head.patient is not None)
        return Owners(list(patients)[:limit], [stored for stored in found if stored.head.patient is None][:limit])

    async def _all(self, query: SearchQuery, limit: int) -> Sequence[Stored]:
        whole = msgspec.structs.replace(query, count=limit, after=None, sort="place", order=(), total="none")
        return (await self.find(whole)).matches if limit else []

    async def pointed_at(self, outer: SearchQuery, source: SearchQuery, parameter: str, *, limit: int) -> list[str]:
        terms = {each for row in self._selected_by(source) for each in row.description.terms}
        ids = [row.stored.head.key.id for row in self._selected_by(candidates_of(outer))]
        return [id_ for id_ in ids if reference_term(parameter, f"{outer.type}/{id_}") in terms][:limit]

    async def compartment(
        self,
        patient: str,
        *,
        types: Sequence[str],
        since: datetime | None,
        after: str,
        count: int,
        conditions: Mapping[str, Sequence[Condition]] | None = None,
    ) -> list[Stored]:
        rows = [
            row.stored
            for row in self._newest.values()
            if patient in row.description.patients
            and row.stored.head.key.type in types
            and not row.stored.head.deleted
            and (since is None or row.stored.head.recorded >= since)
            and str(row.stored.head.key) > after
            and all(map(row.satisfies, (conditions or {}).get(row.stored.head.key.type, ())))
        ]
        return sorted(rows, key=lambda stored: str(stored.head.key))[:count]

    async def walk(self, *, types: Sequence[str], since: datetime | None, after: str, count: int) -> list[Stored]:
        heads = [row.stored for row in self._newest.values() if row.stored.head.key.type in types]
        live = [one for one in heads if not one.head.deleted and (since is None or one.head.recorded >= since)]
        return sorted((one for one in live if str(one.head.key) > after), key=lambda one: str(one.head.key))[:count]

    async def history(self, query: HistoryQuery) -> Versions:
        heads = [row.stored for row in self._versions.values() if self._selected(row.stored.head, query)]
        heads.sort(key=lambda stored: _moment(stored.head), reverse=True)
        total = len(heads)
        if query.after is not None:
            after = (query.after.recorded, query.after.name)
            heads = [stored for stored in heads if _moment(stored.head) < after]
        versions = heads[: query.count]
        more = bool(versions) and len(heads) > query.count
        return Versions(versions, HistoryKey(*_moment(versions[-1].head)) if more else None, total)

    def _selected(self, head: Head, query: HistoryQuery) -> bool:
        if query.key is not None and head.key != query.key:
            return False
        if query.type is not None and head.key.type != query.type:
            return False
        newest = self._newest[head.key].stored.head
        if not all(fits(each, head) and fits(each, newest) for each in query.conditions):
            return False
        if query.since is not None and head.recorded < query.since:
            return False
        if query.at_high is not None and head.recorded >= query.at_high:
            return False
        successor = self._versions.get(head.key.at(head.version + 1))
        return query.at_low is None or successor is None or successor.stored.head.recorded > query.at_low


def _moment(head: Head) -> tuple[datetime, str]:
    return head.recorded, head.key.at(head.version)


def _position(sort: SortKey, key: PageKey) -> tuple[Any, ...]:
    """Where a resource stands in an order."""
    match sort.lstrip("-"):
        case "_lastUpdated":
            return key.updated, key.id
        case "moment":
            return key.low is not None, key.low or 0, -key.place
        case "place":
            return (key.place,)
    return (key.id,)
