"""A patient's record at a glance: what happened, the summary to hand on, and what became of the demographics.

`/patients/{id}/timeline`, `/summary` and `/history` of PRODUCT 2.11. The summary is a FHIR document as the International
Patient Summary describes it: https://hl7.org/fhir/uv/ips/
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, field

from api.v1.chart import patient_of, view
from api.v1.endpoint import Endpoint, Outcome, View, Visit
from api.v1.listing import Listing, Page, narrowed
from api.v1.occasions import asked
from api.v1.patient_forms import PatientView, row
from api.v1.patients import KINDS
from api.v1.service import Service
from domain.clinic.chart import Moment
from domain.clinic.patient_history import versions
from domain.clinic.timeline import Place, timeline
from domain.operations.summary import summary
from fhir_mapping.friendly.timeline import Timelines

TIMELINES = Timelines()


class TimelineWanted(Listing, frozen=True, kw_only=True):
    """`kinds` are words separated by commas; `from` is included, `to` is not."""

    kinds: Annotated[str, Meta(max_length=300)] | None = None
    since: Moment | None = field(name="from", default=None)
    until: Moment | None = field(name="to", default=None)
    cursor: Annotated[str, Meta(max_length=40_000)] | None = None


class AuthorView(View, frozen=True, kw_only=True):
    """Who wrote a version: their account or program, and who they are in the records."""

    subject: str
    profile: str | None


class PatientVersion(View, frozen=True, kw_only=True):
    """One version. `author` is missing for what came in before the audit knew, `patient` for a deletion."""

    version: int
    updated_at: datetime
    author: AuthorView | None
    patient: PatientView | None


class PatientVersions(View, frozen=True, kw_only=True):
    items: tuple[PatientVersion, ...]
    next: str | None = None


async def happened(service: Service, visit: Visit, query: TimelineWanted) -> Outcome:
    """Everything dated in a patient's record, newest first"""
    patient = patient_of(visit)
    occasion = await asked(service, visit, "patient-timeline")
    of, subject = f"/patients/{patient.id}/timeline?{query.filters}", visit.caller.subject
    text = service.cursors.read(query.cursor, of=of, subject=subject)
    kinds = None if query.kinds is None else frozenset(each.strip() for each in query.kinds.split(","))
    events, place = await timeline(
        service.parts, TIMELINES, occasion, patient,
        kinds=kinds, since=query.since, until=query.until, after=_place(text), count=query.limit,
    )  # fmt: skip
    visit.concerns(*(each.id for each in events))
    following = None if place is None else service.cursors.write(_text(place), of=of, subject=subject)
    return Outcome(Page(items=narrowed([view(each) for each in events], query.fields), next=following))


async def summarised(service: Service, visit: Visit) -> Outcome:
    """A patient's summary to hand on: a FHIR document with problems, allergies and medications"""
    patient = patient_of(visit)
    found = await summary(service.parts, service.summaries, await asked(service, visit, "patient-summary"), patient)
    visit.concerns(*found.targets)
    return Outcome(found.content, headers={"content-type": "application/fhir+json"})


async def history(service: Service, visit: Visit) -> Outcome:
    """The versions of a patient with who wrote them and when, newest first"""
    patient = patient_of(visit)
    occasion = await asked(service, visit, "patient-history")
    found = await versions(service.parts, KINDS.patients, service.audit, occasion, patient)
    visit.concerns(*(patient.at(each.version) for each in found))
    items = (
        PatientVersion(
            version=each.version,
            updated_at=each.updated_at,
            author=None
            if each.author is None
            else AuthorView(subject=each.author.subject, profile=each.author.profile),
            patient=None if each.card is None else row(each.card),
        )
        for each in found
    )
    return Outcome(PatientVersions(items=tuple(items)))


def _text(place: Place) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(place)).decode()


def _place(text: str) -> Place | None:
    return msgspec.msgpack.decode(base64.urlsafe_b64decode(text), type=Place) if text else None


ENDPOINTS = (
    Endpoint("GET", "/patients/{id}/timeline", "patient-timeline", happened, answers=Page),
    Endpoint("GET", "/patients/{id}/summary", "patient-summary", summarised),
    Endpoint("GET", "/patients/{id}/history", "patient-history", history, answers=PatientVersions),
)
