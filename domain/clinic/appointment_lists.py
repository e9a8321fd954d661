"""Lists of appointments, by patient, doctor, state and time, in the order of their times.

FHIR has fewer words than `/api/v1`: a hold that ran out is `pending`, and later `cancelled` with a reason of ours. So the
search asks for the codes a state may have, and what is another state after all is left out of the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from domain.clinic.appointment_cards import AppointmentCard, State
from domain.clinic.booking import KIND
from domain.clinic.booking_desk import Desk
from domain.clinic.calendars import utc_text
from domain.interactions.parts import Occasion
from domain.interactions.search import search
from domain.search import PageKey

_CODES: dict[State, str] = {
    "PENDING": "pending,proposed,waitlist",
    "CONFIRMED": "booked,arrived,checked-in",
    "COMPLETED": "fulfilled",
    "CANCELLED": "cancelled,entered-in-error",
    "NO_SHOW": "noshow",
    "EXPIRED": "pending,cancelled",
}
_MOST_PAGES = 5
"""Pages that are searched for one page of a list; a list goes on with the next cursor."""


class Wanted(NamedTuple):
    """Each narrows. `since` is included, `until` is not."""

    patient: str | None = None
    doctor: str | None = None
    state: State | None = None
    since: datetime | None = None
    until: datetime | None = None
    sort: Literal["date", "-date"] = "date"

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The search parameters. https://hl7.org/fhir/R4/appointment.html#search"""
        found = [("_sort", self.sort), ("_total", "none")]
        if self.patient is not None:
            found.append(("patient", f"Patient/{self.patient}"))
        if self.doctor is not None:
            found.append(("practitioner", f"Practitioner/{self.doctor}"))
        if self.state is not None:
            found.append(("status", _CODES[self.state]))
        if self.since is not None:
            found.append(("date", f"ge{utc_text(self.since)}"))
        if self.until is not None:
            found.append(("date", f"lt{utc_text(self.until)}"))
        return found


async def listed(
    desk: Desk, occasion: Occasion, wanted: Wanted, *, after: PageKey | None, count: int
) -> tuple[Sequence[AppointmentCard], PageKey | None]:
    """A page of the appointments the caller sees, and where the next begins."""
    parts, now = desk.parts, desk.parts.clock()
    query = parts.search.parse(KIND, wanted.pairs, strict=True).query
    cards: list[AppointmentCard] = []
    for _ in range(_MOST_PAGES):
        found = await search(parts, occasion, msgspec.structs.replace(query, after=after, count=count - len(cards)))
        for entry in found.matches:
            if isinstance(entry.content, bytes):
                content, head = parts.reading.decoded(entry.content), entry.head
                card = desk.records.from_fhir(content, version=head.version, updated=head.recorded)
                if wanted.state is None or card.state(now) == wanted.state:
                    cards.append(card)
        after = found.next
        if after is None or len(cards) >= count:
            break
    return cards, after
