"""Emergency access: open it, see it, review it. Rules: `domain/break_glass.py`; by header: `api/fhir/purposes.py`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from api.v1.endpoint import Endpoint, Form, Outcome, View, Visit
from api.v1.service import Service
from domain.break_glass import PURPOSE, Grant, Verdict
from domain.operations.break_glass import Wish, listed, open_glass, reviewed

_LIST = "/break-glass"


class Opening(Form, frozen=True, kw_only=True):
    """15 to 60 minutes; the reason is shown to who reviews it."""

    patient_id: Annotated[str, Meta(min_length=1, max_length=64)]
    reason: Annotated[str, Meta(max_length=4000)]
    minutes: int | None = None


class Wanted(Form, frozen=True, kw_only=True):
    """`pending` are those not reviewed yet."""

    pending: bool = False
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: str | None = None


class Found(Form, frozen=True, kw_only=True):
    """What a review found. An unjustified access ends with it."""

    verdict: Literal["justified", "unjustified"]
    note: Annotated[str, Meta(max_length=1000)] = ""


class ReviewView(View, frozen=True, kw_only=True):
    by: str
    at: datetime
    verdict: Verdict
    note: str


class GrantView(View, frozen=True, kw_only=True):
    id: str
    user_id: str
    patient_id: str
    reason: str
    since: datetime
    until: datetime
    active: bool
    review: ReviewView | None


class GrantsView(View, frozen=True, kw_only=True):
    items: tuple[GrantView, ...]
    next: str | None


async def opened(service: Service, visit: Visit, body: Opening) -> Outcome:
    """Open emergency access to one patient; needs a second factor not older than five minutes"""
    purposes = visit.caller.purpose | {PURPOSE}
    visit.caller = msgspec.structs.replace(visit.caller, purpose=purposes)
    visit.concerns(f"Patient/{body.patient_id}", patients=(body.patient_id,))
    wish = Wish(body.patient_id, body.reason, body.minutes)
    grant = await open_glass(service.parts, service.grants, visit.caller, wish, visit.request_id)
    return Outcome(_view(service, grant), 201, {"location": f"/api/v1{_LIST}/{grant.id}"})


async def queue(service: Service, visit: Visit, query: Wanted) -> Outcome:
    """Emergency access: one's own, or as an administrator that of one's organisation"""
    of, subject = f"{_LIST}?{query.pending}", visit.caller.subject
    after = service.cursors.read(query.cursor, of=of, subject=subject)
    page = await listed(service.grants, visit.caller, pending=query.pending, after=after or None, count=query.limit)
    following = None if page.next is None else service.cursors.write(page.next, of=of, subject=subject)
    visit.concerns(patients=tuple(grant.patient for grant in page.grants))
    return Outcome(GrantsView(items=tuple(_view(service, grant) for grant in page.grants), next=following))


async def review(service: Service, visit: Visit, body: Found) -> Outcome:
    """Review an emergency access of somebody else"""
    grant_id = visit.params["id"]
    grant = await reviewed(service.parts, service.grants, visit.caller, grant_id, body.verdict, body.note)
    visit.concerns(patients=(grant.patient,))
    return Outcome(_view(service, grant))


def _view(service: Service, grant: Grant) -> GrantView:
    done = grant.review
    return GrantView(
        id=grant.id,
        user_id=grant.account,
        patient_id=grant.patient,
        reason=grant.reason,
        since=grant.since,
        until=grant.until,
        active=grant.active(service.parts.clock()),
        review=None if done is None else ReviewView(by=done.by, at=done.at, verdict=done.verdict, note=done.note),
    )


ENDPOINTS = (
    Endpoint("POST", _LIST, "break-glass", opened, answers=GrantView, status=201),
    Endpoint("GET", _LIST, "break-glass-list", queue, answers=GrantsView),
    Endpoint("POST", _LIST + "/{id}/review", "break-glass-review", review, answers=GrantView),
)
