"""Times that are offered to somebody who has not booked yet, as appointments that exist only by their id.

IHE Scheduling finds proposed Appointments and then holds or books one by its reference. Nothing is stored for what is only
offered: the id says when, how long and with whom, and whether that is still free is decided when somebody takes it.
https://profiles.ihe.net/ITI/Scheduling/
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from domain.clinic import calendars
from domain.clinic.appointment_cards import LONGEST_APPOINTMENT, AppointmentCard
from domain.clinic.availability import Span
from domain.clinic.booking_desk import Desk
from domain.clinic.doctors import Doctor
from domain.clinic.free_times import free_times

_ID = re.compile(r"free\.(?P<start>[0-9]{1,9})\.(?P<minutes>[0-9]{1,3})\.(?P<doctor>[A-Za-z0-9\-.]{1,64})")
"""NOTE: clients keep such ids for a while."""
_LONGEST_ID = 64


class Proposal(NamedTuple):
    """A time with a doctor."""

    doctor: str
    span: Span

    @property
    def id(self) -> str:
        """As whose id it can be asked for."""
        start, minutes = self.span.start.timestamp() // 60, (self.span.end - self.span.start) // timedelta(minutes=1)
        return f"free.{int(start)}.{minutes}.{self.doctor}"

    def card(self, now: datetime, patient: str | None) -> AppointmentCard:
        """The proposed appointment."""
        return AppointmentCard(self.id, 0, now, "proposed", patient, self.doctor, *self.span)


def read_proposal(logical_id: str) -> Proposal | None:
    """The time an id offers; `None` for the id of anything else."""
    found = _ID.fullmatch(logical_id)
    if found is None:
        return None
    minutes = timedelta(minutes=int(found["minutes"]))
    if not timedelta() < minutes <= LONGEST_APPOINTMENT:
        return None
    start = datetime.fromtimestamp(int(found["start"]) * 60, UTC)
    return Proposal(found["doctor"], Span(start, start + minutes))


async def offered(
    desk: Desk, doctors: Sequence[Doctor], within: Span, *, patient: str | None, count: int
) -> list[Proposal]:
    """The first times in a window at which one of the doctors, and the patient, is free: by time, then in the order of the
    doctors."""
    own = [] if patient is None else await calendars.taken_of_patient(desk.parts, desk.records, patient, within)
    found: list[tuple[datetime, int, Proposal]] = []
    for place, doctor in enumerate(doctors):
        slots = await free_times(desk, doctor, within)
        free = (slot for slot in slots if not any(slot.overlaps(each) for each in own))
        proposals = (Proposal(doctor.card.id, slot) for slot in free)
        found += [(each.span.start, place, each) for each in proposals if len(each.id) <= _LONGEST_ID][:count]
    return [each for _, _, each in sorted(found, key=lambda row: row[:2])[:count]]
