"""Asking a patient's provider for documents. `/api/v1` of PRODUCT 2.11, F127."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from msgspec import Meta, field

from api.v1.endpoint import Endpoint, Form, Outcome, View, Visit
from api.v1.occasions import asked
from api.v1.service import Service
from domain.clinic import document_requests
from domain.clinic.sync_records import RequestCard, RequestForm, RequestStatus
from domain.errors import InvalidFields

Name = Annotated[str, Meta(min_length=1, max_length=100)]


class DocumentRequestForm(Form, frozen=True, kw_only=True):
    """Documents of these kinds, in words or codes, of these days, and what to say to the provider."""

    types: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=20)]
    since: date | None = field(name="from", default=None)
    until: date | None = field(name="to", default=None)
    message: Annotated[str, Meta(min_length=1, max_length=2_000)]


class DocumentRequestView(View, frozen=True, kw_only=True):
    """`remote` is what the provider calls it once it has taken it; `note` says why it could not be sent so far."""

    id: str
    version: int
    created_at: datetime | None
    updated_at: datetime
    patient_id: str | None
    status: RequestStatus
    types: tuple[str, ...]
    since: date | None = field(name="from")
    until: date | None = field(name="to")
    message: str | None
    remote: str | None
    note: str | None


async def asked_for(service: Service, visit: Visit, body: DocumentRequestForm) -> Outcome:
    """Ask the patient's provider for documents"""
    patient = visit.params["id"]
    visit.concerns(patients=(patient,))
    if body.since is not None and body.until is not None and body.until < body.since:
        raise InvalidFields("It ends before it begins", expression="to")
    form = RequestForm(types=body.types, message=body.message, since=body.since, until=body.until)
    card, answer = await document_requests.ask(
        service.sync, await asked(service, visit, "document-request"), patient, form
    )
    visit.concerns(*answer.targets, patients=answer.patients)
    headers = {"location": f"/api/v1/document-requests/{card.id}"}
    return Outcome(view(card), 202, headers, card.version, recorded=answer.recorded)


async def shown(service: Service, visit: Visit) -> Outcome:
    """A request for documents"""
    visit.concerns(f"Task/{visit.params['id']}")
    occasion = await asked(service, visit, "document-request-read")
    card = await document_requests.one(service.sync, occasion, visit.params["id"])
    visit.concerns(patients=() if card.patient_id is None else (card.patient_id,))
    return Outcome(view(card), version=card.version)


def view(card: RequestCard) -> DocumentRequestView:
    """A card as it is shown."""
    return DocumentRequestView(**{name: getattr(card, name) for name in DocumentRequestView.__struct_fields__})


ENDPOINTS = (
    Endpoint(
        "POST",
        "/patients/{id}/request-documents",
        "document-request",
        asked_for,
        answers=DocumentRequestView,
        status=202,
        refuses=(409,),
        replays=True,
    ),
    Endpoint("GET", "/document-requests/{id}", "document-request-read", shown, answers=DocumentRequestView),
)
