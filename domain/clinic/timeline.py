"""Everything dated in a patient's record, newest first: https://hl7.org/fhir/R4/compartmentdefinition-patient.html

Each kind of event is one search in the order of its date, narrowed to what the caller may read; the streams are merged.
A page goes on at the moment where the last one ended, without what it has shown of that very moment, so that nothing comes
twice and nothing is left out, whatever is written meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

import msgspec

from domain import access
from domain.errors import DomainError, TooCostly
from domain.identity import FhirJson, ResourceKey
from domain.interactions.links import solve_links
from domain.interactions.pacing import side_by_side
from domain.interactions.parts import Occasion, Parts
from domain.interactions.read import read
from domain.revision import instant, now_ms

MOST_AT_ONCE = 500
"""Events of one moment that are told apart."""


class Stream(NamedTuple):
    """One kind of event: resources of a type in the order of a date parameter, of those that `pairs` select."""

    kind: str
    type: str
    parameter: str
    pairs: tuple[tuple[str, str], ...] = ()


class Event(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Something that happened: `id` is the resource that says so (`Encounter/1`)."""

    id: str
    kind: str
    date: datetime
    title: str | None
    status: str | None

    def __repr__(self) -> str:
        return f"Event({self.id})"


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended: its last moment, and what was shown of it."""

    date: datetime
    shown: tuple[str, ...]


class TimelineRecords(Protocol):
    """Resources as events. Implemented by `fhir_mapping.friendly.timeline`."""

    def streams(self, kinds: frozenset[str] | None) -> Sequence[Stream]:
        """The streams of these kinds; of all without any."""
        ...

    def date(self, stream: Stream, content: FhirJson) -> datetime | None:
        """When it began, by the parameter of its stream."""
        ...

    def title(self, content: FhirJson) -> str | None: ...


async def timeline(
    parts: Parts,
    records: TimelineRecords,
    occasion: Occasion,
    patient: ResourceKey,
    *,
    kinds: frozenset[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: Place | None = None,
    count: int,
) -> tuple[Sequence[Event], Place | None]:
    """A page of events from `since` (included) to `until` (not). Raises `NotFound` for a patient the caller does not see."""
    await read(parts, occasion, patient)
    shown = frozenset(after.shown) if after else frozenset[str]()
    bounds = [] if since is None else [f"ge{instant(since)}"]
    bounds += [f"lt{instant(until)}"] if until is not None and after is None else []
    bounds += [f"lt{instant(after.date + timedelta(milliseconds=1))}"] if after is not None else []
    streams = [each for each in records.streams(kinds) if occasion.caller.may("r", each.type)]

    async def of(stream: Stream) -> list[Event]:
        return await _events(parts, records, occasion, patient, stream, bounds, count + len(shown) + 1)

    found = [event for events in await side_by_side(of, streams, at_once=8) for event in events]
    fresh = sorted(
        (each for each in found if each.id not in shown and (after is None or each.date <= after.date)),
        key=lambda each: (-each.date.timestamp(), each.id),
    )
    page = fresh[:count]
    if len(fresh) <= count:
        return page, None
    last = page[-1].date
    same = tuple(each.id for each in page if each.date == last)
    same = (*after.shown, *same) if after is not None and after.date == last else same
    if len(same) > MOST_AT_ONCE:
        raise TooCostly(f"More than {MOST_AT_ONCE} events of one moment: ask for fewer kinds", expression="?kinds")
    return page, Place(last, same)


async def _events(
    parts: Parts,
    records: TimelineRecords,
    occasion: Occasion,
    patient: ResourceKey,
    stream: Stream,
    bounds: Sequence[str],
    count: int,
) -> list[Event]:
    """The newest events of one stream within the bounds."""
    pairs = [
        ("patient", patient.id), *stream.pairs, *((stream.parameter, each) for each in bounds),
        ("_sort", f"-{stream.parameter}"), ("_total", "none"),
    ]  # fmt: skip
    query = msgspec.structs.replace(parts.search.parse(stream.type, pairs, strict=True).query, count=count)
    narrowed = access.narrow(occasion.caller, query, "r")
    page = await parts.store.find(await solve_links(parts, occasion.caller, narrowed))
    events: list[Event] = []
    for one, content in zip(page.matches, await parts.store.open(page.matches), strict=True):
        if isinstance(content, DomainError):
            continue
        body = parts.reading.decoded(content)
        date = records.date(stream, body)
        if date is not None:
            status = body.get("status")
            title = records.title(body)
            events.append(Event(id=str(one.head.key), kind=stream.kind, date=now_ms(date), title=title, status=status))
    return events
