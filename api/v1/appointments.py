"""Appointments: held, confirmed, moved, cancelled, completed. `/api/v1/appointments*` of PRODUCT 2.11.

A time that is taken answers 409 `slot_taken` or `patient_busy` with `alternatives`. Patients book for themselves and for whom
they act, the desk for the patients of its organization, doctors for their own calendar.
"""

from __future__ import annotations

from collections.abc import Sequence

from api.v1.appointment_forms import (
    AppointmentChange,
    AppointmentsWanted,
    AppointmentView,
    Cancel,
    ConflictsView,
    ConflictView,
    NewAppointment,
    Reschedule,
    TimeAsked,
    VideoSessionView,
    view,
)
from api.v1.doctor_forms import free_view
from api.v1.endpoint import Endpoint, Outcome, Visit
from api.v1.kept import gone, kept, wanted_version
from api.v1.listing import Page, page
from api.v1.occasions import asked
from api.v1.service import Service
from domain.clinic import appointments, booking, conflicts, video_calls
from domain.clinic.appointment_cards import AppointmentCard, AppointmentChanges
from domain.clinic.appointment_lists import listed as listed_cards
from domain.clinic.records import Kept
from domain.search import PageKey


async def listed(service: Service, visit: Visit, query: AppointmentsWanted) -> Outcome:
    """Appointments by patient, doctor, status and time"""
    occasion = await asked(service, visit, "appointment-list")
    now = service.parts.clock()

    async def fetch(after: PageKey | None, count: int) -> tuple[Sequence[AppointmentCard], PageKey | None]:
        cards, following = await listed_cards(service.desk, occasion, query.wanted, after=after, count=count)
        visit.concerns(patients=tuple({card.patient_id for card in cards if card.patient_id is not None}))
        return cards, following

    return await page(service, visit, query, fetch, lambda card: view(card, now), of="/appointments", kind=booking.KIND)


async def made(service: Service, visit: Visit, body: NewAppointment) -> Outcome:
    """Hold a time for some minutes, or book it at once"""
    visit.concerns(patients=(body.patient_id,))
    occasion = await asked(service, visit, "appointment-create")
    found = await booking.made(service.desk, occasion, body.form, confirm=body.confirm)
    return _answer(service, visit, found, new=True)


async def shown(service: Service, visit: Visit) -> Outcome:
    """An appointment"""
    occasion = await asked(service, visit, "appointment-read")
    return _answer(service, visit, await appointments.shown(service.desk, occasion, _id(visit)))


async def changed(service: Service, visit: Visit, body: AppointmentChange) -> Outcome:
    """Change reason, notes or mode of an appointment, or move it"""
    occasion = await asked(service, visit, "appointment-update")
    found = await appointments.amended(
        service.desk, occasion, _id(visit), body.changes, if_match=wanted_version(service, visit)
    )
    return _answer(service, visit, found)


async def confirmed(service: Service, visit: Visit) -> Outcome:
    """Make a hold firm before it runs out"""
    occasion = await asked(service, visit, "appointment-confirm")
    return _answer(service, visit, await appointments.confirmed(service.desk, occasion, _id(visit)))


async def cancelled(service: Service, visit: Visit, body: Cancel) -> Outcome:
    """Cancel an appointment: its time is free at once"""
    occasion = await asked(service, visit, "appointment-cancel")
    found = await appointments.cancelled(service.desk, occasion, _id(visit), text=body.reason, code=body.reason_code)
    return _answer(service, visit, found)


async def deleted(service: Service, visit: Visit) -> Outcome:
    """Cancel an appointment without saying why"""
    occasion = await asked(service, visit, "appointment-cancel")
    found = await appointments.cancelled(service.desk, occasion, _id(visit), if_match=wanted_version(service, visit))
    return gone(visit, found.answer)


async def rescheduled(service: Service, visit: Visit, body: Reschedule) -> Outcome:
    """Move an appointment: the new time is taken before the old one is free"""
    occasion = await asked(service, visit, "appointment-reschedule")
    changes = AppointmentChanges(start=body.start, end=body.end)
    return _answer(service, visit, await appointments.amended(service.desk, occasion, _id(visit), changes))


async def completed(service: Service, visit: Visit) -> Outcome:
    """Record that the visit took place; for its doctor"""
    occasion = await asked(service, visit, "appointment-complete")
    return _answer(service, visit, await appointments.completed(service.desk, occasion, _id(visit)))


async def missed(service: Service, visit: Visit) -> Outcome:
    """Record that the patient did not come; for the doctor and the desk"""
    occasion = await asked(service, visit, "appointment-no-show")
    return _answer(service, visit, await appointments.missed(service.desk, occasion, _id(visit)))


async def checked(service: Service, visit: Visit, body: TimeAsked) -> Outcome:
    """What stands against a time, and other times, without booking anything"""
    visit.concerns(patients=(body.patient_id,))
    occasion = await asked(service, visit, "appointment-conflicts")
    found = await conflicts.dry_run(service.desk, occasion, body.form, moving=body.appointment_id)
    return Outcome(
        ConflictsView(
            conflicts=tuple(ConflictView(code=each.code, message=each.message) for each in found.conflicts),
            alternatives=tuple(map(free_view, found.alternatives)),
        )
    )


async def joined(service: Service, visit: Visit) -> Outcome:
    """A link to the video call of an appointment, for those who take part"""
    occasion = await asked(service, visit, "appointment-video")
    found, room = await video_calls.joined(service.desk, occasion, _id(visit))
    visit.concerns(*found.answer.targets, patients=found.answer.patients)
    return Outcome(VideoSessionView(join_url=room.join_url, expires_at=room.expires_at))


def _answer(service: Service, visit: Visit, found: Kept[AppointmentCard], *, new: bool = False) -> Outcome:
    location = f"/appointments/{found.card.id}" if new else None
    return kept(visit, found.answer, view(found.card, service.parts.clock()), location=location)


def _id(visit: Visit) -> str:
    visit.concerns(f"{booking.KIND}/{visit.params['id']}")
    return visit.params["id"]


_RACED = (409,)
"""What is over, or was changed at the same time."""
ENDPOINTS = (
    Endpoint("GET", "/appointments", "appointment-list", listed, Page),
    Endpoint("POST", "/appointments", "appointment-create", made, AppointmentView, 201, replays=True, refuses=(410,)),
    Endpoint("POST", "/appointments/conflicts", "appointment-conflicts", checked, ConflictsView, refuses=(410,)),
    Endpoint("GET", "/appointments/{id}", "appointment-read", shown, AppointmentView),
    Endpoint("PUT", "/appointments/{id}", "appointment-update", changed, AppointmentView),
    Endpoint("DELETE", "/appointments/{id}", "appointment-cancel", deleted, status=204),
    Endpoint("POST", "/appointments/{id}/confirm", "appointment-confirm", confirmed, AppointmentView, refuses=_RACED),
    Endpoint("POST", "/appointments/{id}/cancel", "appointment-cancel", cancelled, AppointmentView, refuses=_RACED),
    Endpoint(
        "POST", "/appointments/{id}/reschedule", "appointment-reschedule", rescheduled, AppointmentView, refuses=_RACED
    ),
    Endpoint("POST", "/appointments/{id}/complete", "appointment-complete", completed, AppointmentView, refuses=_RACED),
    Endpoint("POST", "/appointments/{id}/no-show", "appointment-no-show", missed, AppointmentView, refuses=_RACED),
    Endpoint(
        "POST", "/appointments/{id}/video-session", "appointment-video", joined, VideoSessionView, refuses=(409, 501)
    ),
)
