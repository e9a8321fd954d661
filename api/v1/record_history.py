"""The versions of a medical record, and what differs between two of them. `/api/v1` of PRODUCT 2.11."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, field

from api.v1.endpoint import Endpoint, Form, Outcome, View, Visit
from api.v1.medical_records import RecordView, view
from api.v1.occasions import asked
from api.v1.service import Service
from domain.clinic import record_history
from domain.clinic.authors import Author
from domain.clinic.medical_record_cards import KIND
from domain.clinic.record_history import Past
from domain.errors import NotFound

Number = Annotated[int, Meta(ge=1, le=1_000_000)]


class AuthorView(View, frozen=True, kw_only=True):
    """Who wrote a version: their account or program, and who they are in the records."""

    subject: str
    profile: str | None


class VersionView(View, frozen=True, kw_only=True):
    """One version. `author` is missing for what came in before the audit knew."""

    version: int
    updated_at: datetime
    deleted: bool
    author: AuthorView | None


class VersionsView(View, frozen=True, kw_only=True):
    items: tuple[VersionView, ...]


class PastView(VersionView, frozen=True, kw_only=True):
    record: RecordView


class Compare(Form, frozen=True, kw_only=True):
    """The numbers of two versions."""

    older: Number = field(name="from")
    newer: Number = field(name="to")


class ChangeView(View, frozen=True, kw_only=True):
    """A field that differs: `treatment`, `diagnosis[c1].text`. What was not there is null."""

    path: str
    before: Any
    after: Any


class ComparedView(View, frozen=True, kw_only=True):
    older: VersionView = field(name="from")
    newer: VersionView = field(name="to")
    changes: tuple[ChangeView, ...]


async def listed(service: Service, visit: Visit) -> Outcome:
    """The versions of a medical record with who wrote them and when, newest first"""
    occasion = await asked(service, visit, "medical-record-history")
    visit.concerns(f"{KIND}/{visit.params['id']}")
    found = await record_history.versions(
        service.parts, service.medical_records, service.audit, occasion, visit.params["id"]
    )
    _concerns(visit, *found)
    return Outcome(VersionsView(items=tuple(map(_version, found))))


async def shown(service: Service, visit: Visit) -> Outcome:
    """A medical record as it was in one version"""
    text = visit.params["version"]
    if not text.isdigit() or len(text) > 7:
        raise NotFound("There is no such version")
    occasion = await asked(service, visit, "medical-record-history")
    visit.concerns(f"{KIND}/{visit.params['id']}/{text}")
    past = await record_history.version(
        service.parts, service.medical_records, service.audit, occasion, visit.params["id"], int(text)
    )
    _concerns(visit, past)
    said = _version(past)
    if past.card is None:
        raise NotFound("There is no such version")
    shown = PastView(
        version=said.version,
        updated_at=said.updated_at,
        deleted=said.deleted,
        author=said.author,
        record=view(past.card),
    )
    return Outcome(shown, version=past.version)


async def compared(service: Service, visit: Visit, query: Compare) -> Outcome:
    """What two versions of a medical record say differently, field by field"""
    occasion = await asked(service, visit, "medical-record-history")
    visit.concerns(f"{KIND}/{visit.params['id']}")
    older, newer, changes = await record_history.differences(
        service.parts, service.medical_records, service.audit, occasion, visit.params["id"], (query.older, query.newer)
    )
    _concerns(visit, older, newer)
    rows = tuple(ChangeView(path=each.path, before=each.before, after=each.after) for each in changes)
    return Outcome(ComparedView(older=_version(older), newer=_version(newer), changes=rows))


def _version(past: Past) -> VersionView:
    return VersionView(
        version=past.version, updated_at=past.updated_at, deleted=past.deleted, author=_author(past.author)
    )


def _author(author: Author | None) -> AuthorView | None:
    return None if author is None else AuthorView(subject=author.subject, profile=author.profile)


def _concerns(visit: Visit, *past: Past) -> None:
    patients = {each.card.patient_id for each in past if each.card is not None}
    visit.concerns(patients=tuple(each for each in patients if each is not None))


_ONE = "/medical-records/{id}"
ENDPOINTS = (
    Endpoint("GET", f"{_ONE}/history", "medical-record-history", listed, answers=VersionsView),
    Endpoint("GET", f"{_ONE}/history/{{version}}", "medical-record-history", shown, answers=PastView),
    Endpoint("GET", f"{_ONE}/diff", "medical-record-history", compared, answers=ComparedView),
)
