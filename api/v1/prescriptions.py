"""Prescriptions: written against what a patient takes, shown, replaced, stopped, printed. `/api/v1` of PRODUCT 2.11.

One that is contraindicated is 409 with the alerts, until it comes again with a reason for each.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

from api.v1.endpoint import Endpoint, Form, Outcome, View, Visit
from api.v1.interactions import CheckView, Id, MedicationForm, MedicationView, check_view
from api.v1.kept import gone, kept, wanted_version
from api.v1.listing import Listing, Page, page
from api.v1.occasions import asked
from api.v1.service import Service
from domain.clinic import dispensing, prescriptions
from domain.clinic.drug_interactions import NOTICE
from domain.clinic.prescription_cards import KIND, Override, PrescriptionCard, PrescriptionForm, Status
from domain.clinic.prescriptions import Interacts, Prescribed
from domain.errors import Conflict
from domain.revision import instant

Moment = Annotated[datetime, Meta(tz=True)]
Text = Annotated[str, Meta(min_length=1, max_length=2_000)]


class OverrideForm(Form, frozen=True, kw_only=True):
    """Why it is prescribed against an alert."""

    alert_id: Annotated[str, Meta(min_length=1, max_length=64)]
    reason_code: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.\-]{1,64}$")]
    comment: Text | None = None


class PrescriptionFields(Form, frozen=True, kw_only=True):
    """A prescription. A DRAFT is not in force; a PUT with ACTIVE signs it. `doctorId` is who asks unless somebody else is
    named, `pharmacyId` the organization that may dispense it."""

    patient_id: Id
    medication: MedicationForm | Annotated[str, Meta(min_length=1, max_length=300, pattern=r"\S")]
    dosage: Text
    instructions: Text | None = None
    refills: Annotated[int, Meta(ge=0, le=99)] = 0
    date_issued: Moment | None = None
    appointment_id: Id | None = None
    doctor_id: Id | None = None
    pharmacy_id: Id | None = None
    status: Literal["ACTIVE", "DRAFT"] = "ACTIVE"
    overrides: Annotated[tuple[OverrideForm, ...], Meta(max_length=50)] = ()

    @property
    def form(self) -> PrescriptionForm:
        given = self.medication
        return PrescriptionForm(
            patient_id=self.patient_id,
            medication=(MedicationForm(text=given) if isinstance(given, str) else given).medication,
            dosage=self.dosage,
            instructions=self.instructions,
            refills=self.refills,
            date_issued=self.date_issued,
            appointment=_reference("Appointment", self.appointment_id),
            doctor=_reference("Practitioner", self.doctor_id),
            pharmacy=_reference("Organization", self.pharmacy_id),
            draft=self.status == "DRAFT",
        )

    @property
    def reasons(self) -> tuple[Override, ...]:
        return tuple(Override(each.alert_id, each.reason_code, each.comment) for each in self.overrides)


class Wanted(Listing, frozen=True, kw_only=True):
    """Each filter narrows. `from` is included, `to` is not."""

    patient_id: Id | None = None
    doctor_id: Id | None = None
    status: Literal["DRAFT", "ACTIVE", "ON_HOLD", "COMPLETED", "STOPPED", "CANCELLED"] | None = None
    since: Moment | None = field(name="from", default=None)
    until: Moment | None = field(name="to", default=None)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The search parameters: https://hl7.org/fhir/R4/medicationrequest.html#search"""
        found = [("_sort", "-authoredon")]
        if self.patient_id is not None:
            found.append(("patient", self.patient_id))
        if self.doctor_id is not None:
            found.append(("requester", f"Practitioner/{self.doctor_id}"))
        if self.status is not None:
            found.append(("status", self.status.lower().replace("_", "-")))
        for prefix, moment in (("ge", self.since), ("lt", self.until)):
            if moment is not None:
                found.append(("authoredon", f"{prefix}{instant(moment)}"))
        return found


class Stopping(Form, frozen=True, kw_only=True):
    reason: Annotated[str, Meta(min_length=1, max_length=500)] | None = None


class PrescriptionView(View, frozen=True, kw_only=True):
    """A prescription. `issueIds` are the alerts it was written against, `replaces` the prescription before it."""

    id: str
    version: int
    updated_at: datetime
    patient_id: str | None
    doctor_id: str | None
    medication: MedicationView
    dosage: str | None
    instructions: str | None
    refills: int
    refills_remaining: int
    date_issued: datetime | None
    appointment_id: str | None
    pharmacy_id: str | None
    status: Status
    reason: str | None
    replaces: str | None
    issue_ids: tuple[str, ...]
    interaction_notice: str = NOTICE


class CheckedView(PrescriptionView, frozen=True, kw_only=True):
    """A prescription with the check it was written after; none when checks are switched off."""

    interaction_check: CheckView | None


async def prescribed(service: Service, visit: Visit, body: PrescriptionFields) -> Outcome:
    """Prescribe; 409 `interaction` with the alerts when it is contraindicated and not overridden"""
    visit.concerns(patients=(body.patient_id,))
    occasion = await asked(service, visit, "prescription-create")
    try:
        made = await prescriptions.prescribe(service.parts, service.prescribing, occasion, body.form, body.reasons)
    except Interacts as error:
        raise _refusal(error) from None
    return await _written(service, visit, made, new=True)


async def amended(service: Service, visit: Visit, body: PrescriptionFields) -> Outcome:
    """Change a draft; in place of a prescription in force, write a new one (201) and stop it"""
    visit.concerns(patients=(body.patient_id,))
    occasion = await asked(service, visit, "prescription-update")
    try:
        made = await prescriptions.amend(
            service.parts, service.prescribing, occasion, visit.params["id"], body.form, body.reasons,
            if_match=wanted_version(service, visit),
        )  # fmt: skip
    except Interacts as error:
        raise _refusal(error) from None
    return await _written(service, visit, made, new=made.answer.status == 201)


async def shown(service: Service, visit: Visit) -> Outcome:
    """A prescription, with the refills that remain"""
    card = await _card(service, visit, "prescription-read")
    return Outcome(view(card), version=card.version)


async def listed(service: Service, visit: Visit, query: Wanted) -> Outcome:
    """Prescriptions, the latest first"""
    occasion = await asked(service, visit, "prescription-list")
    visit.concerns(patients=() if query.patient_id is None else (query.patient_id,))
    pairs = query.pairs
    return await page(
        service,
        visit,
        query,
        lambda after, count: dispensing.prescriptions(
            service.parts, service.prescribing, service.dispenses, occasion, pairs, after=after, count=count
        ),
        view,
        of="/prescriptions",
        kind=KIND,
    )


async def stopped(service: Service, visit: Visit, query: Stopping) -> Outcome:
    """Stop a prescription, or cancel a draft; it stays on record"""
    occasion = await asked(service, visit, "prescription-stop")
    answer = await prescriptions.stop(
        service.parts, service.prescribing, occasion, visit.params["id"], query.reason,
        if_match=wanted_version(service, visit),
    )  # fmt: skip
    return gone(visit, answer)


async def _card(service: Service, visit: Visit, interaction: str) -> PrescriptionCard:
    occasion = await asked(service, visit, interaction)
    visit.concerns(f"{KIND}/{visit.params['id']}")
    card = await dispensing.prescription(
        service.parts, service.prescribing, service.dispenses, occasion, visit.params["id"]
    )
    visit.concerns(patients=() if card.patient_id is None else (card.patient_id,))
    return card


async def _written(service: Service, visit: Visit, made: Prescribed, *, new: bool) -> Outcome:
    check = None if made.check is None else check_view(made.check)
    shown = CheckedView(**_fields(made.card), interaction_check=check)
    return kept(visit, made.answer, shown, location=f"/prescriptions/{made.card.id}" if new else None)


def _refusal(error: Interacts) -> Conflict:
    details = msgspec.to_builtins(check_view(error.check))
    return Conflict(
        error.message, reason=error.reason, details={"alerts": details["alerts"], "interactionCheck": details}
    )


def view(card: PrescriptionCard) -> PrescriptionView:
    """A card as it is shown."""
    return PrescriptionView(**_fields(card))


def _fields(card: PrescriptionCard) -> dict[str, Any]:
    plain = (
        *("id", "version", "updated_at", "patient_id", "dosage", "instructions", "refills", "refills_remaining"),
        *("date_issued", "status", "reason", "replaces"),
    )
    return {
        **{name: getattr(card, name) for name in plain},
        "medication": MedicationView(text=card.medication.text, rxnorm=card.medication.rxnorm),
        "doctor_id": None if card.doctor is None else card.doctor.id,
        "appointment_id": None if card.appointment is None else card.appointment.id,
        "pharmacy_id": None if card.pharmacy is None else card.pharmacy.id,
        "issue_ids": card.issues,
    }


def _reference(kind: str, logical_id: str | None) -> str | None:
    return None if logical_id is None else f"{kind}/{logical_id}"


_ONE = "/prescriptions/{id}"
ENDPOINTS = (
    Endpoint("GET", "/prescriptions", "prescription-list", listed, answers=Page),
    Endpoint(
        "POST",
        "/prescriptions",
        "prescription-create",
        prescribed,
        answers=CheckedView,
        status=201,
        replays=True,
        refuses=(404, 410),
    ),
    Endpoint("GET", _ONE, "prescription-read", shown, answers=PrescriptionView),
    Endpoint("PUT", _ONE, "prescription-update", amended, answers=CheckedView, also=(201,)),
    Endpoint("DELETE", _ONE, "prescription-stop", stopped, status=204),
)
