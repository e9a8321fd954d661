"""What is taken in somebody's calendar, as it is stored: bookings of this module, and whatever FHIR clients wrote.

The time of a booking stands in a Slot of the same id, which says for which version of the Appointment. So most of a calendar
is told by Slots, which are no patient's; an Appointment is opened only when it has no Slot or has changed since, and a Slot
whose Appointment no longer takes time (cancelled by whoever) counts for nothing. Free/busy is told to everybody who may
read the doctor, without a word of whose appointments these are. https://hl7.org/fhir/R4/slot.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from domain.clinic.appointment_cards import ACTIVE, AppointmentCard, AppointmentRecords, SlotCard
from domain.clinic.availability import Span
from domain.errors import DomainError, TooCostly
from domain.identity import ResourceKey
from domain.interactions.parts import Parts
from domain.revision import Stored

LONGEST_TAKEN = timedelta(days=1)
"""How long an appointment may be and still be found when it has begun before what is asked about."""
LONGEST_ABSENCE = timedelta(days=366)
"""The same of a block (`busy-unavailable`), such as a leave."""
MOST_ENTRIES = 5_000
_PAGE = 1_000
_ACTIVE = ",".join(ACTIVE)
Pairs = tuple[tuple[str, str], ...]


async def taken(
    parts: Parts,
    records: AppointmentRecords,
    doctor: Sequence[ResourceKey],
    schedule: ResourceKey | None,
    within: Span,
    *,
    but: str | None = None,
) -> list[Span]:
    """When a doctor is not free within a time, in no order; `doctor` are the person and their role, by either of which an
    appointment may name them. The appointment `but` is left out."""
    now = parts.clock()
    recent, always = _during(within, "start", LONGEST_TAKEN), _during(within, "start", LONGEST_ABSENCE)
    slots, absences, appointments = await asyncio.gather(
        _found(parts, "Slot", schedule and (("schedule", str(schedule)), ("status", "busy,busy-tentative"), *recent)),
        _found(parts, "Slot", schedule and (("schedule", str(schedule)), ("status", "busy-unavailable"), *always)),
        _appointments(parts, ("actor", ",".join(map(str, doctor))), within),
    )
    versions = {one.head.key.id: one.head.version for one in appointments}
    spans: list[Span] = []
    told: set[str] = set()
    for one, slot in await _slots(parts, records, [*slots, *absences]):
        if slot.appointment is None:
            spans.append(slot.span)
        elif versions.get(one.head.key.id) == slot.appointment:
            told.add(one.head.key.id)
            if one.head.key.id != but and (slot.until is None or slot.until > now):
                spans.append(slot.span)
    others = [one for one in appointments if one.head.key.id not in told]
    spans += await _times(parts, records, others, now, but)
    return [span for span in spans if span.overlaps(within)]


async def taken_of_patient(
    parts: Parts, records: AppointmentRecords, patient: str, within: Span, *, but: str | None = None
) -> list[Span]:
    """When a patient has appointments within a time, in no order; the appointment `but` is left out."""
    appointments = await _appointments(parts, ("patient", patient), within)
    spans = await _times(parts, records, appointments, parts.clock(), but)
    return [span for span in spans if span.overlaps(within)]


async def cards_of(parts: Parts, records: AppointmentRecords, stored: Sequence[Stored]) -> list[AppointmentCard]:
    """The appointments among several versions that can still be opened."""
    cards: list[AppointmentCard] = []
    for one, content in zip(stored, await parts.store.open(stored), strict=True):
        if not isinstance(content, DomainError):
            head = one.head
            decoded = parts.reading.decoded(content)
            cards.append(records.from_fhir(decoded, version=head.version, updated=head.recorded))
    return cards


def utc_text(when: datetime) -> str:
    """A moment as search parameters take it."""
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _during(within: Span, parameter: str, longest: timedelta) -> Pairs:
    return (parameter, f"lt{utc_text(within.end)}"), (parameter, f"ge{utc_text(within.start - longest)}")


async def _appointments(parts: Parts, whose: tuple[str, str], within: Span) -> list[Stored]:
    return await _found(parts, "Appointment", (whose, ("status", _ACTIVE), *_during(within, "date", LONGEST_TAKEN)))


async def _times(
    parts: Parts, records: AppointmentRecords, stored: Sequence[Stored], now: datetime, but: str | None
) -> list[Span]:
    cards = await cards_of(parts, records, [one for one in stored if one.head.key.id != but])
    return [card.span for card in cards if card.span is not None and card.takes_time(now)]


async def _slots(parts: Parts, records: AppointmentRecords, stored: Sequence[Stored]) -> list[tuple[Stored, SlotCard]]:
    found: list[tuple[Stored, SlotCard]] = []
    for one, content in zip(stored, await parts.store.open(stored), strict=True):
        slot = None if isinstance(content, DomainError) else records.from_slot(parts.reading.decoded(content))
        if slot is not None:
            found.append((one, slot))
    return found


async def _found(parts: Parts, kind: str, pairs: Pairs | None) -> list[Stored]:
    """Everything a search selects, whoever asks. Raises `TooCostly` for a calendar nobody can have."""
    if pairs is None:
        return []
    query = parts.search.parse(kind, [*pairs, ("_total", "none")], strict=True).query
    query = msgspec.structs.replace(query, count=_PAGE, sort="place")
    found: list[Stored] = []
    while True:
        page = await parts.store.find(query)
        found += page.matches
        if page.next is None:
            return found
        if len(found) >= MOST_ENTRIES:
            raise TooCostly(f"More than {MOST_ENTRIES} entries in one calendar")
        query = msgspec.structs.replace(query, after=page.next)
