"""Synchronisation with a patient's provider: start, look, cancel, once more. `/api/v1` of PRODUCT 2.11, Sync.

One run of a patient at a time: who starts another is shown the one under way. A connection starts runs by itself, too.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from api.v1.endpoint import Endpoint, Form, Outcome, View, Visit
from api.v1.occasions import asked
from api.v1.service import Service
from domain.clinic import syncing
from domain.clinic.provider_ports import Cause
from domain.clinic.sync_runs import Run, State, Trigger, Trouble
from domain.clinic.sync_troubles import ADVICE
from domain.clinic.syncing import Shown

Name = Annotated[str, Meta(min_length=1, max_length=64)]


class SyncForm(Form, frozen=True, kw_only=True):
    """`full` asks for everything again, not only for what was changed since; `types` are some of those of the connection."""

    full: bool = False
    types: Annotated[tuple[Name, ...], Meta(max_length=50)] = ()


class ProgressView(View, frozen=True, kw_only=True):
    """`total` counts what the provider has shown so far, `percent` the types that are done."""

    total: int
    successful: int
    errors: int
    percent: int


class SummaryView(View, frozen=True, kw_only=True):
    """What was taken, by resource type."""

    by_type: dict[str, int]
    new: int
    changed: int


class SyncedDocumentView(View, frozen=True, kw_only=True):
    id: str
    title: str | None
    change: Literal["NEW", "CHANGED"]
    link: str


class SyncErrorView(View, frozen=True, kw_only=True):
    """`item` is what the provider calls the entry; without one it is about the type, or about everything."""

    code: Cause
    detail: str
    troubleshooting: tuple[str, ...]
    retryable: bool
    type: str | None
    item: str | None


class SyncLinksView(View, frozen=True, kw_only=True):
    self: str
    events: str
    logs: str


class SyncView(View, frozen=True, kw_only=True):
    id: str
    patient_id: str
    status: State
    trigger: Trigger
    full: bool
    stage: str | None
    progress: ProgressView
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    summary: SummaryView
    documents: tuple[SyncedDocumentView, ...]
    errors: tuple[SyncErrorView, ...]
    links: SyncLinksView


async def started(service: Service, visit: Visit, body: SyncForm) -> Outcome:
    """Synchronise with the patient's provider; the run under way, with 200, when there is one"""
    patient = visit.params["id"]
    visit.concerns(patients=(patient,))
    occasion = await asked(service, visit, "sync-start")
    run, new = await syncing.start(service.sync, occasion, patient, full=body.full, types=body.types)
    return _accepted(visit, run, new)


async def latest(service: Service, visit: Visit) -> Outcome:
    """The newest synchronisation of a patient: how far it is, what it brought, what went wrong and what to do about it"""
    patient = visit.params["id"]
    visit.concerns(patients=(patient,))
    return _shown(visit, await syncing.latest(service.sync, await asked(service, visit, "sync-read"), patient))


async def shown(service: Service, visit: Visit) -> Outcome:
    """A synchronisation"""
    visit.concerns(f"Task/{visit.params['id']}")
    return _shown(visit, await syncing.one(service.sync, await asked(service, visit, "sync-read"), visit.params["id"]))


async def cancelled(service: Service, visit: Visit) -> Outcome:
    """Have a synchronisation end; what it took stays"""
    visit.concerns(f"Task/{visit.params['id']}")
    run = await syncing.cancel(service.sync, await asked(service, visit, "sync-cancel"), visit.params["id"])
    visit.concerns(patients=(run.patient,))
    return Outcome(view(Shown(run, ())), 202)


async def retried(service: Service, visit: Visit) -> Outcome:
    """Ask once more for what a synchronisation has not brought: a new one, or the one under way"""
    visit.concerns(f"Task/{visit.params['id']}")
    run, new = await syncing.again(service.sync, await asked(service, visit, "sync-start"), visit.params["id"])
    return _accepted(visit, run, new)


def _accepted(visit: Visit, run: Run, new: bool) -> Outcome:
    visit.concerns(f"Task/{run.id}", patients=(run.patient,))
    made = view(Shown(run, ()))
    return Outcome(made, 202 if new else 200, {"location": made.links.self}, recorded=new)


def _shown(visit: Visit, found: Shown) -> Outcome:
    visit.concerns(f"Task/{found.run.id}", patients=(found.run.patient,))
    visit.concerns(*(each.local for each in found.documents))
    return Outcome(view(found))


def view(found: Shown) -> SyncView:
    """A run as it is shown."""
    run, documents = found
    tallies, self = run.progress.tallies, f"/api/v1/sync/{run.id}"
    total, errors = sum(each.total for each in tallies), sum(each.errors for each in tallies)
    return SyncView(
        id=run.id,
        patient_id=run.patient,
        status=run.state,
        trigger=run.trigger,
        full=run.full,
        stage=run.progress.stage if run.open else None,
        progress=ProgressView(total=total, successful=max(total - errors, 0), errors=errors, percent=_percent(run)),
        created_at=run.created,
        started_at=run.started,
        ended_at=run.ended,
        summary=SummaryView(
            by_type={each.type: each.new + each.changed for each in tallies if each.new + each.changed},
            new=sum(each.new for each in tallies),
            changed=sum(each.changed for each in tallies),
        ),
        documents=tuple(
            SyncedDocumentView(
                id=each.local.partition("/")[2],
                title=each.title,
                change="NEW" if each.coming == "NEW" else "CHANGED",
                link=f"/api/v1/documents/{each.local.partition('/')[2]}",
            )
            for each in documents
        ),
        errors=tuple(map(_error, run.progress.troubles)),
        links=SyncLinksView(self=self, events=f"{self}/events", logs=f"/api/v1/patients/{run.patient}/logs"),
    )


def _percent(run: Run) -> int:
    if not run.open:
        return 100
    done = sum(each.done for each in run.progress.tallies)
    return min(100 * done // max(len(run.types), 1), 99)


def _error(trouble: Trouble) -> SyncErrorView:
    advice = ADVICE[trouble.cause]
    return SyncErrorView(
        code=trouble.cause,
        detail=advice.detail,
        troubleshooting=advice.steps,
        retryable=advice.retryable,
        type=trouble.type,
        item=trouble.item,
    )


ENDPOINTS = (
    Endpoint(
        "POST", "/patients/{id}/sync", "sync-start", started,
        answers=SyncView, status=202, also=(200,), refuses=(409, 424), blank=True,
    ),
    Endpoint("GET", "/patients/{id}/sync", "sync-read", latest, answers=SyncView),
    Endpoint("GET", "/sync/{id}", "sync-read", shown, answers=SyncView),
    Endpoint("POST", "/sync/{id}/cancel", "sync-cancel", cancelled, answers=SyncView, status=202, refuses=(409,)),
    Endpoint(
        "POST", "/sync/{id}/retry", "sync-start", retried,
        answers=SyncView, status=202, also=(200,), refuses=(409, 424),
    ),
)  # fmt: skip
