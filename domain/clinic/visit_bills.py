"""The bill of a finished visit, made in the write that finishes it, and its patient told of it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from domain.clinic import billings
from domain.clinic.appointment_cards import AppointmentCard
from domain.clinic.billing_cards import BillForm, BillRecords, Fee, Line
from domain.clinic.booking_desk import Settled
from domain.interactions.parts import Occasion, Parts
from domain.notices import Notice

VISIT = "Visit"


class VisitBills(NamedTuple):
    """Implements `domain.clinic.booking_desk.Settle`."""

    bills: BillRecords
    fee: Fee

    async def __call__(self, parts: Parts, occasion: Occasion, visit: AppointmentCard) -> Settled:
        """See `Settle`. A visit of nobody costs nothing."""
        if visit.patient_id is None:
            return Settled()
        form = BillForm(
            patient=visit.patient_id,
            currency=self.fee.currency,
            lines=(Line(VISIT, self.fee.amount),),
            date=visit.start,
            appointment=visit.id,
            doctor=None if visit.doctor_id is None else f"Practitioner/{visit.doctor_id}",
        )
        changes = await billings.of_visit(parts, self.bills, occasion, form, encounter=f"Encounter/{visit.id}")
        return Settled(changes, (_told(visit, parts.clock()),) if changes else ())


def _told(visit: AppointmentCard, now: datetime) -> Notice:
    return Notice(
        id=f"invoice/{visit.id}",
        kind="invoice-issued",
        recipients=(f"Patient/{visit.patient_id}",),
        due=now,
        patient=visit.patient_id,
        about=(f"{billings.KIND}/{visit.id}",),
    )
