"""Inquiries of people who are not patients yet: anybody asks, who answers them is told, and makes the patient.

Asking needs no login, so it is held to a tighter limit: five in a row from one network are free, then the wait doubles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal

from msgspec import Meta

from api.gate import network_of
from api.v1.endpoint import Endpoint, Form, Outcome, View, Visit
from api.v1.listing import Listing, Page, page
from api.v1.occasions import asked
from api.v1.service import Service
from domain.accounts.ports import Limit
from domain.clinic import inquiries
from domain.clinic.inquiries import InquiryCard, InquiryForm, Status
from domain.errors import InvalidFields, Throttled
from domain.interactions.parts import Occasion
from domain.search import PageKey

_LIST = "/inquiries"
FREE, MOST = 5, 50
"""Inquiries of one network that need no wait, and how many there may be in a day."""
Line = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")]


class NewInquiry(Form, frozen=True, kw_only=True):
    """`name` is how somebody calls themselves."""

    name: Line
    email: Annotated[str, Meta(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
    phone: Annotated[str, Meta(max_length=40, pattern=r"^[+0-9][0-9 ()/.\-]{4,}$")] | None = None
    birth_date: date | None = None
    message: Annotated[str, Meta(max_length=2_000)] | None = None


class InquiriesWanted(Listing, frozen=True, kw_only=True):
    status: Literal["open", "all"] = "open"


class Answered(Form, frozen=True, kw_only=True):
    """The patient it has become; or, without one, why not."""

    patient_id: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    reason: Line | None = None


class ReceivedView(View, frozen=True, kw_only=True):
    """What who asked is shown: that it has arrived."""

    id: str
    received_at: datetime


class InquiryView(View, frozen=True, kw_only=True):
    """`patientId` is who it has become, `reason` why it was declined."""

    id: str
    version: int
    created_at: datetime | None
    updated_at: datetime
    status: Status
    name: str | None
    email: str | None
    phone: str | None
    birth_date: date | None
    message: str | None
    patient_id: str | None
    reason: str | None


async def received(service: Service, visit: Visit, body: NewInquiry) -> Outcome:
    """Ask to become a patient; needs no login"""
    wait = await service.people.attempts.begin([Limit(f"inquiry|{network_of(visit.caller.network)}", FREE, MOST)])
    if wait:
        raise Throttled("There were many inquiries from here; try again later", retry_after=math.ceil(wait))
    form = InquiryForm(
        name=body.name, email=body.email, phone=body.phone, birth_date=body.birth_date, message=body.message
    )
    occasion = Occasion(visit.caller, visit.request_id, "inquiry-create")
    answer = await inquiries.ask(service.parts, service.inquiries, occasion, form)
    if answer.head is None:
        raise InvalidFields("The inquiry was not kept")
    shown = ReceivedView(id=answer.head.key.id, received_at=answer.head.recorded)
    return Outcome(shown, 201, recorded=answer.recorded)


async def listed(service: Service, visit: Visit, query: InquiriesWanted) -> Outcome:
    """Inquiries, newest first, for who answers them"""
    occasion = await asked(service, visit, "inquiry-list")

    async def fetch(after: PageKey | None, count: int) -> tuple[Sequence[InquiryCard], PageKey | None]:
        open_only = query.status == "open"
        return await inquiries.page(
            service.parts, service.inquiries, occasion, open_only=open_only, after=after, count=count
        )

    return await page(service, visit, query, fetch, view, of=_LIST, kind=inquiries.TASK)


async def shown(service: Service, visit: Visit) -> Outcome:
    """An inquiry, for who answers them"""
    visit.concerns(f"{inquiries.TASK}/{visit.params['id']}")
    occasion = await asked(service, visit, "inquiry-read")
    card = await inquiries.one(service.parts, service.inquiries, occasion, visit.params["id"])
    return Outcome(view(card), version=card.version)


async def closed(service: Service, visit: Visit, body: Answered) -> Outcome:
    """Answer an inquiry: it has become a patient, or it was declined"""
    occasion = await asked(service, visit, "inquiry-close")
    card, answer = await inquiries.close(
        service.parts,
        service.inquiries,
        occasion,
        visit.params["id"],
        patient=body.patient_id,
        reason=body.reason,
    )
    return Outcome(view(card), version=card.version, recorded=answer.recorded)


def view(card: InquiryCard) -> InquiryView:
    return InquiryView(**{name: getattr(card, name) for name in InquiryView.__struct_fields__})


ENDPOINTS = (
    Endpoint("POST", _LIST, "inquiry-create", received, answers=ReceivedView, status=201, public=True),
    Endpoint("GET", _LIST, "inquiry-list", listed, answers=Page),
    Endpoint("GET", _LIST + "/{id}", "inquiry-read", shown, answers=InquiryView),
    Endpoint("POST", _LIST + "/{id}/close", "inquiry-close", closed, answers=InquiryView, refuses=(409,)),
)
