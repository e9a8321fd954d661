"""Bills: write, show, list, change, cancel, pay, claim. `/api/v1` of PRODUCT 2.11, Billings.

Amounts are decimals written as text, never floats. A bill of a visit is made when the visit is completed.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, field

from api.v1.endpoint import Endpoint, Form, Outcome, View, Visit
from api.v1.kept import gone, kept, wanted_version
from api.v1.listing import Listing, page
from api.v1.occasions import asked
from api.v1.service import Service
from domain.clinic import billings, insurance_claims, payments
from domain.clinic.billing_cards import Bill, BillForm, Line, State
from domain.clinic.payments import Paid
from domain.errors import InvalidFields
from domain.interactions.parts import Answer
from domain.search import PageKey
from fhir_mapping.friendly.billings import VISIT, Bills
from fhir_mapping.friendly.elements import instant, named

BILLS = Bills()
Id = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9.-]+$")]
Text = Annotated[str, Meta(min_length=1, max_length=200)]
Digits = Annotated[str, Meta(pattern=r"^\d{1,9}(\.\d{1,2})?$")]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
Moment = Annotated[datetime, Meta(tz=True)]


class Money(Form, frozen=True, kw_only=True):
    """An amount to the cent and its currency (ISO 4217)."""

    value: Digits
    currency: Currency


class LineForm(Form, frozen=True, kw_only=True):
    text: Text
    amount: Money


class BillFields(Form, frozen=True, kw_only=True):
    """What is said of a bill: lines, or one amount for all of it."""

    lines: Annotated[tuple[LineForm, ...], Meta(max_length=100)] = ()
    amount: Money | None = None
    insurance_coverage: Money | None = None
    date: Moment | None = None
    doctor_id: Id | None = None

    def form(self, patient: str, appointment: str | None) -> BillForm:
        """The form, of one currency. Raises `InvalidFields`."""
        lines = self.lines or ((LineForm(text=VISIT, amount=self.amount),) if self.amount else ())
        if not lines or (self.lines and self.amount):
            raise InvalidFields("Either lines or an amount is given", expression="lines")
        currencies = {line.amount.currency for line in lines}
        if self.insurance_coverage is not None:
            currencies.add(self.insurance_coverage.currency)
        if len(currencies) > 1:
            raise InvalidFields("A bill has one currency", expression="lines")
        return BillForm(
            patient=patient,
            currency=currencies.pop(),
            lines=tuple(Line(line.text, Decimal(line.amount.value)) for line in lines),
            insurance=Decimal(self.insurance_coverage.value) if self.insurance_coverage else Decimal(0),
            date=self.date,
            appointment=appointment,
            doctor=None if self.doctor_id is None else f"Practitioner/{self.doctor_id}",
        )


class NewBill(BillFields, frozen=True, kw_only=True):
    patient_id: Id
    appointment_id: Id | None = None


class Cancelling(Form, frozen=True, kw_only=True):
    reason: Text | None = None


class PaymentForm(Form, frozen=True, kw_only=True):
    """`token` is what the payment service's own form gave the front end for a card; card numbers never come here."""

    amount: Money
    method: Literal["CARD", "CASH", "TRANSFER"] = "CARD"
    token: Annotated[str, Meta(min_length=1, max_length=500)] | None = None


class BillsWanted(Listing, frozen=True, kw_only=True):
    """Each filter narrows. `from` is included, `to` is not. A page may hold fewer items than its limit."""

    patient_id: Id | None = None
    appointment_id: Id | None = None
    since: Moment | None = field(name="from", default=None)
    until: Moment | None = field(name="to", default=None)
    status: State | None = None
    sort: Literal["date", "-date"] = "-date"


class MoneyView(View, frozen=True, kw_only=True):
    value: str
    currency: str


class LineView(View, frozen=True, kw_only=True):
    text: str
    amount: MoneyView


class BillView(View, frozen=True, kw_only=True):
    """`outstandingAmount` is the amount without what the insurance covers and what was paid."""

    id: str
    version: int
    updated_at: datetime
    patient_id: str | None
    appointment_id: str | None
    date: datetime | None
    amount: MoneyView
    insurance_coverage: MoneyView
    paid_amount: MoneyView
    outstanding_amount: MoneyView
    status: State
    lines: tuple[LineView, ...]


class BillsView(View, frozen=True, kw_only=True):
    items: tuple[BillView, ...]
    next: str | None


class PaymentView(View, frozen=True, kw_only=True):
    """`status` of the payment is PAID, or PENDING while the payment service does not know."""

    payment_id: str
    status: Literal["PAID", "PENDING"]
    amount: MoneyView
    gateway: str | None
    billing: BillView


class ClaimView(View, frozen=True, kw_only=True):
    id: str
    status: str


_STAGES: dict[State, str] = {"PENDING": "issued", "PARTIAL": "issued", "PAID": "balanced", "CANCELLED": "cancelled"}


async def listed(service: Service, visit: Visit, query: BillsWanted) -> Outcome:
    """The bills the caller may see"""
    occasion = await asked(service, visit, "billing-list")
    pairs: list[tuple[str, str]] = [("_sort", query.sort)]
    if query.patient_id is not None:
        pairs.append(("subject", f"Patient/{query.patient_id}"))
    if query.appointment_id is not None:
        pairs.append(("identifier", f"urn:chartvault:appointment|{query.appointment_id}"))
    if query.status is not None:
        pairs.append(("status", _STAGES[query.status]))
    pairs += [("date", f"{bound}{instant(at)}") for bound, at in (("ge", query.since), ("lt", query.until)) if at]

    async def fetch(after: PageKey | None, count: int) -> tuple[list[Bill], PageKey | None]:
        found, following = await billings.listed(service.parts, BILLS, occasion, pairs, after=after, count=count)
        return [bill for bill in found if query.status in (None, bill.state)], following

    return await page(service, visit, query, fetch, view, of="/billings", kind="Invoice")


async def added(service: Service, visit: Visit, body: NewBill) -> Outcome:
    """Write a bill that no visit makes"""
    form = body.form(named(body.patient_id, "patientId", "Patient").id, body.appointment_id)
    made = await billings.made(service.parts, BILLS, await asked(service, visit, "billing-create"), form)
    return kept(visit, made.answer, view(made.card), location=f"/billings/{made.card.id}")


async def shown(service: Service, visit: Visit) -> Outcome:
    """A bill and what is left of it"""
    occasion = await asked(service, visit, "billing-read")
    bill = await billings.shown(service.parts, BILLS, occasion, visit.params["id"])
    _concerns(visit, bill)
    return Outcome(view(bill), version=bill.version)


async def changed(service: Service, visit: Visit, body: BillFields) -> Outcome:
    """Charge something else, while nothing was paid"""
    occasion = await asked(service, visit, "billing-update")
    before = await billings.shown(service.parts, BILLS, occasion, visit.params["id"])
    _concerns(visit, before)
    form = body.form(before.patient_id or "", before.appointment_id)
    made = await billings.altered(
        service.parts, BILLS, occasion, before.id, form, if_match=wanted_version(service, visit)
    )
    return kept(visit, made.answer, view(made.card))


async def cancelled(service: Service, visit: Visit) -> Outcome:
    """Cancel a bill of which nothing was paid"""
    return gone(visit, await _cancelled(service, visit, None))


async def cancelled_because(service: Service, visit: Visit, body: Cancelling) -> Outcome:
    """Cancel a bill of which nothing was paid, and say why"""
    answer = await _cancelled(service, visit, body.reason)
    occasion = await asked(service, visit, "billing-cancel")
    bill = await billings.shown(service.parts, BILLS, occasion, visit.params["id"])
    return kept(visit, answer, view(bill))


async def _cancelled(service: Service, visit: Visit, reason: str | None) -> Answer:
    occasion = await asked(service, visit, "billing-cancel")
    visit.concerns(f"Invoice/{visit.params['id']}")
    return await billings.cancelled(
        service.parts, BILLS, occasion, visit.params["id"], reason, if_match=wanted_version(service, visit)
    )


async def paid(service: Service, visit: Visit, body: PaymentForm) -> Outcome:
    """Pay something of a bill: all of it, or a part"""
    occasion = await asked(service, visit, "payment-create")
    before = await billings.shown(service.parts, BILLS, occasion, visit.params["id"])
    _concerns(visit, before)
    amount = Decimal(body.amount.value)
    if body.amount.currency != before.currency or amount <= 0:
        raise InvalidFields(f"An amount above zero in {before.currency} is expected", expression="amount")
    done = await payments.pay(
        service.parts, BILLS, service.gateway, occasion, before.id, amount, body.method, body.token
    )
    outcome = kept(visit, done.answer, _payment(done), location=f"/billings/{before.id}")
    outcome.status, outcome.version = (201 if done.payment.stage == "active" else 202), None
    return outcome


async def claimed(service: Service, visit: Visit) -> Outcome:
    """Draft what the patient's insurance is asked to pay"""
    occasion = await asked(service, visit, "claim-create")
    visit.concerns(f"Invoice/{visit.params['id']}")
    answer = await insurance_claims.drafted(service.parts, BILLS, occasion, visit.params["id"])
    outcome = kept(visit, answer, ClaimView(id=visit.params["id"], status="DRAFT"))
    outcome.status, outcome.version = 202, None
    return outcome


def view(bill: Bill) -> BillView:
    """A bill as it is shown."""

    def money(value: Decimal) -> MoneyView:
        return MoneyView(value=str(value), currency=bill.currency)

    return BillView(
        **{
            name: getattr(bill, name)
            for name in ("id", "version", "updated_at", "patient_id", "appointment_id", "date")
        },
        amount=money(bill.amount),
        insurance_coverage=money(bill.insurance),
        paid_amount=money(bill.paid),
        outstanding_amount=money(bill.outstanding),
        status=bill.state,
        lines=tuple(LineView(text=line.text, amount=money(line.amount)) for line in bill.lines),
    )


def _payment(done: Paid) -> PaymentView:
    return PaymentView(
        payment_id=done.payment.id,
        status="PAID" if done.payment.stage == "active" else "PENDING",
        amount=MoneyView(value=str(done.payment.amount), currency=done.payment.currency),
        gateway=done.payment.gateway,
        billing=view(done.bill),
    )


def _concerns(visit: Visit, bill: Bill) -> None:
    visit.concerns(f"Invoice/{bill.id}/{bill.version}", patients=(bill.patient_id,) if bill.patient_id else ())


ENDPOINTS = (
    Endpoint("GET", "/billings", "billing-list", listed, BillsView),
    Endpoint("POST", "/billings", "billing-create", added, BillView, 201, replays=True),
    Endpoint("GET", "/billings/{id}", "billing-read", shown, BillView),
    Endpoint("PUT", "/billings/{id}", "billing-update", changed, BillView),
    Endpoint("DELETE", "/billings/{id}", "billing-cancel", cancelled, status=204),
    Endpoint("POST", "/billings/{id}/cancel", "billing-cancel", cancelled_because, BillView),
    Endpoint("POST", "/billings/{id}/payments", "payment-create", paid, PaymentView, 201, replays=True, refuses=(501,)),
    Endpoint("POST", "/billings/{id}/claim", "claim-create", claimed, ClaimView, 202),
)
