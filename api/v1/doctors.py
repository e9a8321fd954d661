"""Doctors, and when they can be booked: `/api/v1/doctors*` of PRODUCT 2.11.

Administrators of an organization add and change its doctors, a doctor their own profile and hours; everybody who is signed
in looks through the directory and sees free times, never whose the others are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, field

from api.v1.doctor_forms import AvailabilityView, DoctorFields, DoctorView, Short, free_view, view
from api.v1.endpoint import Endpoint, Form, Outcome, Visit
from api.v1.kept import gone, kept, wanted_version
from api.v1.listing import Listing, Page, page
from api.v1.occasions import asked
from api.v1.service import Service
from domain.clinic import doctors
from domain.clinic.doctor_cards import DoctorCard
from domain.clinic.doctors import Doctor
from domain.clinic.free_times import free_times, window
from domain.clinic.records import Kept
from domain.errors import InvalidFields
from domain.identity import ResourceKey
from domain.interactions.parts import Occasion
from domain.search import PageKey

Moment = Annotated[datetime, Meta(tz=True)]
_MOST_PAGES = 5
"""Pages of the directory that one list with a time looks at; it goes on with the next cursor."""


class DoctorsWanted(Listing, frozen=True, kw_only=True):
    """`q` are beginnings of names. With both times, only doctors who have one of their slots free between them."""

    specialization: Short | None = None
    available_from: Moment | None = None
    available_to: Moment | None = None
    q: Annotated[str, Meta(min_length=2, max_length=200)] | None = None


class AvailabilityWanted(Form, frozen=True, kw_only=True):
    """From `from` (now, if earlier) to `to`, at most 62 days. `duration` in minutes; one slot of the doctor without it."""

    since: Moment = field(name="from")
    until: Moment = field(name="to")
    duration: Annotated[int, Meta(ge=5, le=480, multiple_of=5)] | None = None


async def listed(service: Service, visit: Visit, query: DoctorsWanted) -> Outcome:
    """Doctors by specialization, name and free times"""
    occasion = await asked(service, visit, "doctor-list")
    desk = service.desk
    if (query.available_from is None) != (query.available_to is None):
        raise InvalidFields("Both times are given, or none", expression="?availableTo")

    async def fetch(after: PageKey | None, count: int) -> tuple[Sequence[DoctorCard], PageKey | None]:
        found: list[Doctor] = []
        for _ in range(_MOST_PAGES):
            some, after = await doctors.listed(
                desk.parts, desk.doctors, occasion,
                specialization=query.specialization, words=query.q, after=after, count=count - len(found),
            )  # fmt: skip
            found += [each for each in some if await _has_time(service, each, query)]
            if after is None or len(found) >= count:
                break
        return [each.card for each in found], after

    return await page(service, visit, query, fetch, view, of="/doctors", kind=doctors.PERSON)


async def shown(service: Service, visit: Visit) -> Outcome:
    """A doctor"""
    occasion = await asked(service, visit, "doctor-read")
    visit.concerns(_name(visit))
    card = (await _found(service, visit, occasion)).card
    return Outcome(view(card), version=card.version)


async def added(service: Service, visit: Visit, body: DoctorFields) -> Outcome:
    """Add a doctor to the directory"""
    occasion = await asked(service, visit, "doctor-create")
    made = await doctors.made(service.parts, service.desk.doctors, occasion, body.form)
    return _written(visit, made, location=f"/doctors/{made.card.id}")


async def changed(service: Service, visit: Visit, body: DoctorFields) -> Outcome:
    """Change a doctor: who they are, what they do, when they work"""
    occasion = await asked(service, visit, "doctor-update")
    visit.concerns(_name(visit))
    made = await doctors.altered(
        service.parts, service.desk.doctors, occasion, visit.params["id"], body.form,
        if_match=wanted_version(service, visit),
    )  # fmt: skip
    return _written(visit, made)


async def withdrawn(service: Service, visit: Visit) -> Outcome:
    """Take a doctor who has no open appointments out of the directory; the history stays"""
    occasion = await asked(service, visit, "doctor-delete")
    visit.concerns(_name(visit))
    answer = await doctors.withdrawn(
        service.parts, service.desk.doctors, occasion, visit.params["id"], if_match=wanted_version(service, visit)
    )
    return gone(visit, answer)


async def availability(service: Service, visit: Visit, query: AvailabilityWanted) -> Outcome:
    """When a doctor can be booked"""
    occasion = await asked(service, visit, "doctor-availability")
    visit.concerns(_name(visit))
    doctor = await _found(service, visit, occasion)
    within = window(query.since, query.until, service.parts.clock())
    free = [] if within is None else await free_times(service.desk, doctor, within, minutes=query.duration)
    hours = doctor.card.work_schedule
    return Outcome(AvailabilityView(timezone=hours.timezone if hours else None, slots=tuple(map(free_view, free))))


async def _has_time(service: Service, doctor: Doctor, query: DoctorsWanted) -> bool:
    if query.available_from is None or query.available_to is None:
        return True
    within = window(query.available_from, query.available_to, service.parts.clock())
    return within is not None and bool(await free_times(service.desk, doctor, within))


async def _found(service: Service, visit: Visit, occasion: Occasion) -> Doctor:
    return await doctors.shown(service.parts, service.desk.doctors, occasion, visit.params["id"])


def _written(visit: Visit, made: Kept[DoctorCard], *, location: str | None = None) -> Outcome:
    """The version shown is that of the doctor, not of one of the resources."""
    outcome = kept(visit, made.answer, view(made.card), location=location)
    return msgspec.structs.replace(outcome, version=made.card.version)


def _name(visit: Visit) -> str:
    return str(ResourceKey(doctors.PERSON, visit.params["id"]))


ENDPOINTS = (
    Endpoint("GET", "/doctors", "doctor-list", listed, Page),
    Endpoint("POST", "/doctors", "doctor-create", added, DoctorView, 201, replays=True),
    Endpoint("GET", "/doctors/{id}", "doctor-read", shown, DoctorView),
    Endpoint("PUT", "/doctors/{id}", "doctor-update", changed, DoctorView),
    Endpoint("DELETE", "/doctors/{id}", "doctor-delete", withdrawn, status=204),
    Endpoint("GET", "/doctors/{id}/availability", "doctor-availability", availability, AvailabilityView),
)
