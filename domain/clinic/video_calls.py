"""Video calls of an appointment: handed to those who take part in it, shortly and for this one appointment.

No link is stored: it is made when somebody asks. https://hl7.org/fhir/R4/v3/ActCode/cs.html (class VR)
"""

from __future__ import annotations

from datetime import timedelta

from domain.clinic.appointment_cards import AppointmentCard
from domain.clinic.appointments import shown
from domain.clinic.booking_desk import Desk, Room
from domain.clinic.records import Kept
from domain.clinic.sides import side_of
from domain.errors import Conflict, Forbidden, NotProvided
from domain.interactions.parts import Occasion

_AFTER = timedelta(minutes=30)
"""How long after its end an appointment's room stays open."""


async def joined(desk: Desk, occasion: Occasion, logical_id: str) -> tuple[Kept[AppointmentCard], Room]:
    """The room of an appointment for the caller.

    Raises `NotProvided` without a provider, `Forbidden` for who sees the appointment but takes no part in it, `Conflict` for
    one that is not confirmed, not by video, or over.
    """
    if desk.rooms is None:
        raise NotProvided("No provider of video calls is set up here", reason="no_video_provider")
    kept = await shown(desk, occasion, logical_id)
    card, now = kept.card, desk.parts.clock()
    side = side_of(occasion.caller, card)
    if side == "desk":
        raise Forbidden("This is for the patient and the doctor of the appointment", reason="not_a_participant")
    if card.mode != "VIDEO":
        raise Conflict("This appointment is not by video", reason="not_video")
    if card.state(now) != "CONFIRMED" or card.end is None or card.end + _AFTER <= now:
        raise Conflict("This appointment is not confirmed, or over", reason="not_open")
    return kept, await desk.rooms.room(card.id, participant=side, until=card.end + _AFTER)
