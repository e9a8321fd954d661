"""Patient/$everything: https://hl7.org/fhir/R4/patient-operation-everything.html

Parameters `start`, `end`, `_since`, `_type`, `_count`. The patient comes first, then its compartment ordered by type and id,
which no write changes for a resource that stays; on every page follow the resources outside the compartment that this
page points at (practitioners, medications …), so that each page can be read by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from domain import access
from domain.access import EVERYTHING, Caller, knowing
from domain.identity import ResourceKey
from domain.interactions.guarding import seen, visible
from domain.interactions.including import Entry
from domain.interactions.parts import Occasion, Parts, present
from domain.revision import Stored
from domain.search import Condition, Inclusion

EXAMINED = 2_000
"""Resources one page may look at: with a rare care date a page may come back short, never late."""


class Wanted(msgspec.Struct, frozen=True):
    """What to bring: care between `start` and `end`, changed at or after `since`, of `types` (`None`: all)."""

    count: int
    after: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    since: datetime | None = None
    types: frozenset[str] | None = None

    def takes(self, resource_type: str) -> bool:
        return self.types is None or resource_type in self.types


class Everything(msgspec.Struct, frozen=True):
    """A page of a record, and what it points at outside. `next` is the name of its last resource when there is more."""

    entries: tuple[Entry, ...]
    supporting: tuple[Entry, ...]
    next: str | None


async def everything(parts: Parts, occasion: Occasion, patient: str, wanted: Wanted) -> Everything:
    """One page of a patient's record. Raises `NotFound`, `Gone` for no such patient.

    Types the caller may not read are left out.
    """
    caller, key = occasion.caller, ResourceKey("Patient", patient)
    access.require(caller, "r", "Patient")
    owner = present(await seen(parts, caller, await parts.store.newest(key), key), key)
    inside = parts.search.types_within("Patient")
    types = [name for name in inside if caller.may("r", name) and wanted.takes(name)]
    narrowed = _narrowed(caller, patient, types)
    entries: list[Entry] = []
    if wanted.after is None and wanted.takes("Patient") and _changed(owner, wanted):
        entries += await _opened(parts, [owner])
    after, looked = wanted.after or "", 0
    while types and looked < EXAMINED:
        room = wanted.count - len(entries)
        found = await parts.store.compartment(
            patient, types=types, since=wanted.since, after=after, count=room + 1, conditions=narrowed
        )
        page = found[:room]
        cared = [entry for entry in await _opened(parts, page) if _cared(parts, entry, wanted)]
        entries += [entry for entry in cared if entry.head.key != key]
        if len(found) <= room:
            return Everything(tuple(entries), await _supporting(parts, caller, entries, wanted, inside), None)
        after, looked = str(page[-1].head.key) if page else after, looked + len(found)
        if len(entries) >= wanted.count:
            break
    supporting = await _supporting(parts, caller, entries, wanted, inside)
    return Everything(tuple(entries), supporting, after if types else None)


def _narrowed(caller: Caller, patient: str, types: Sequence[str]) -> dict[str, tuple[Condition, ...]]:
    """What the caller's sight asks of the types of this one record; types of which it asks nothing are left out."""
    if caller.sight is None:
        return {}
    named = frozenset({patient})
    asked = {name: [knowing(each, named) for each in caller.sight.conditions("r", name)] for name in types}
    kept = {name: tuple(each for each in conditions if each != EVERYTHING) for name, conditions in asked.items()}
    return {name: conditions for name, conditions in kept.items() if conditions}


def _changed(stored: Stored, wanted: Wanted) -> bool:
    return wanted.since is None or stored.head.recorded >= wanted.since


def _cared(parts: Parts, entry: Entry, wanted: Wanted) -> bool:
    """Whether care happened in the period asked for; what has no date of care is always part of the record."""
    if (wanted.start is None and wanted.end is None) or not isinstance(entry.content, bytes):
        return True
    care = parts.reading.care(entry.content)
    low, high = care if care is not None else (None, None)
    after_end = wanted.end is not None and low is not None and low >= wanted.end
    before_start = wanted.start is not None and high is not None and high <= wanted.start
    return not (after_end or before_start)


async def _opened(parts: Parts, stored: Sequence[Stored]) -> list[Entry]:
    contents = await parts.store.open(stored)
    return [Entry(one.head, content) for one, content in zip(stored, contents, strict=True)]


async def _supporting(
    parts: Parts, caller: Caller, entries: Sequence[Entry], wanted: Wanted, inside: Sequence[str]
) -> tuple[Entry, ...]:
    """What these point at outside of every patient's compartment, each once."""
    anything, keys, within = [Inclusion(None, None)], dict[ResourceKey, None](), set(inside)
    for entry in entries:
        if isinstance(entry.content, bytes):
            keys.update(dict.fromkeys(parts.reading.references(entry.content, anything)))
    outside = [k for k in keys if k.type not in within and wanted.takes(k.type) and caller.may("r", k.type)]
    found = [one for one in await parts.store.newest_of(outside) if one is not None and not one.head.deleted]
    found = await visible(parts, caller, found)
    return tuple(await _opened(parts, found))
