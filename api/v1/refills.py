"""Dispensing prescriptions and asking for more of them. `/api/v1` of PRODUCT 2.11, Prescriptions."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from msgspec import Meta

from api.v1.endpoint import Endpoint, Form, Outcome, View, Visit
from api.v1.kept import kept
from api.v1.occasions import asked
from api.v1.service import Service
from domain.clinic import dispensing, refills
from domain.clinic.dispensing import Supply
from domain.clinic.prescription_cards import KIND
from domain.clinic.refills import RefillCard, Status

Text = Annotated[str, Meta(min_length=1, max_length=500)]


class SupplyForm(Form, frozen=True, kw_only=True):
    """What is handed over: a refill, or the `first` fill, which does not count as one."""

    first: bool = False
    quantity: (
        Annotated[str, Meta(pattern=r"^(?!0+(\.0+)?$)[0-9]{1,6}(\.[0-9]{1,3})?$", description="A number")] | None
    ) = None
    unit: Annotated[str, Meta(min_length=1, max_length=50)] | None = None
    note: Text | None = None


class DispensedView(View, frozen=True, kw_only=True):
    id: str
    version: int
    prescription_id: str
    dispensed_at: datetime
    first: bool
    refills_remaining: int


class RefillForm(Form, frozen=True, kw_only=True):
    comment: Text | None = None


class Approval(Form, frozen=True, kw_only=True):
    """How many refills are added."""

    refills: Annotated[int, Meta(ge=1, le=12)] = 1
    reason: Text | None = None


class Denial(Form, frozen=True, kw_only=True):
    reason: Text


class RefillView(View, frozen=True, kw_only=True):
    """A request for refills."""

    id: str
    version: int
    created_at: datetime | None
    updated_at: datetime
    prescription_id: str
    patient_id: str | None
    status: Status
    comment: str | None
    reason: str | None


class RefillsView(View, frozen=True, kw_only=True):
    items: tuple[RefillView, ...]


async def dispensed(service: Service, visit: Visit, body: SupplyForm) -> Outcome:
    """Record that a prescription was dispensed; 409 `no_refills_left` when all refills are"""
    prescription = visit.params["id"]
    visit.concerns(f"{KIND}/{prescription}")
    occasion = await asked(service, visit, "prescription-dispense")
    quantity = None if body.quantity is None else Decimal(body.quantity)
    supply = Supply(first=body.first, quantity=quantity, unit=body.unit, note=body.note)
    made = await dispensing.dispense(
        service.parts, service.prescribing, service.dispenses, occasion, prescription, supply
    )
    shown = DispensedView(
        id=made.id,
        version=1,
        prescription_id=prescription,
        dispensed_at=made.at,
        first=made.first,
        refills_remaining=made.remaining,
    )
    return kept(visit, made.answer, shown, location=f"/prescriptions/{prescription}")


async def asked_for(service: Service, visit: Visit, body: RefillForm) -> Outcome:
    """Ask for more of a prescription; who prescribed it is told"""
    visit.concerns(f"{KIND}/{visit.params['id']}")
    occasion = await asked(service, visit, "refill-request")
    card, answer = await refills.ask(
        service.parts, service.prescribing, service.refills, occasion, visit.params["id"], body.comment
    )
    return kept(visit, answer, view(card), location=f"/prescriptions/{card.prescription_id}/refill-requests")


async def listed(service: Service, visit: Visit) -> Outcome:
    """What was asked for of a prescription, the latest first"""
    visit.concerns(f"{KIND}/{visit.params['id']}")
    occasion = await asked(service, visit, "refill-list")
    found = await refills.requests(service.parts, service.prescribing, service.refills, occasion, visit.params["id"])
    return Outcome(RefillsView(items=tuple(map(view, found))))


async def approved(service: Service, visit: Visit, body: Approval) -> Outcome:
    """Approve a request: refills are added to the prescription"""
    return await _decided(service, visit, body.refills, body.reason)


async def denied(service: Service, visit: Visit, body: Denial) -> Outcome:
    """Deny a request"""
    return await _decided(service, visit, 0, body.reason)


async def _decided(service: Service, visit: Visit, grant: int, reason: str | None) -> Outcome:
    prescription, request = visit.params["id"], visit.params["request"]
    visit.concerns(f"{KIND}/{prescription}")
    occasion = await asked(service, visit, "refill-approve" if grant else "refill-deny")
    card, answer = await refills.decide(
        service.parts, service.prescribing, service.refills, occasion, prescription, request, grant=grant, reason=reason
    )
    return kept(visit, answer, view(card))


def view(card: RefillCard) -> RefillView:
    """A card as it is shown."""
    return RefillView(**{name: getattr(card, name) for name in RefillView.__struct_fields__})


_REQUESTS = "/prescriptions/{id}/refill-requests"
ENDPOINTS = (
    Endpoint(
        "POST", "/prescriptions/{id}/dispense", "prescription-dispense", dispensed,
        answers=DispensedView, status=201, replays=True,
    ),
    Endpoint("POST", _REQUESTS, "refill-request", asked_for, answers=RefillView, status=201, replays=True),
    Endpoint("GET", _REQUESTS, "refill-list", listed, answers=RefillsView),
    Endpoint("POST", f"{_REQUESTS}/{{request}}/approve", "refill-approve", approved, answers=RefillView, refuses=(409,)),
    Endpoint("POST", f"{_REQUESTS}/{{request}}/deny", "refill-deny", denied, answers=RefillView, refuses=(409,)),
)  # fmt: skip
