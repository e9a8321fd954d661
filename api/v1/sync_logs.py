"""The log of synchronisation: what came, what was asked for, what failed. `/api/v1` of PRODUCT 2.11, F124 to F126."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from msgspec import Meta, field

from api.v1.endpoint import Endpoint, Outcome, View, Visit
from api.v1.listing import Listing, Page, page
from api.v1.occasions import asked
from api.v1.service import Service
from domain.clinic import syncing
from domain.clinic.sync_log import Action, Logged, Place, Status, Wanted
from domain.clinic.sync_taking import DOCUMENT
from domain.errors import NotFound
from domain.search import PageKey

Moment = Annotated[datetime, Meta(tz=True)]
Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9\-.]{1,64}$")]


class LogWanted(Listing, frozen=True, kw_only=True):
    """Each filter narrows. `q` are words of the details; `from` is included, `to` is not."""

    action: Action | None = None
    status: Status | None = None
    document_id: Id | None = None
    since: Moment | None = field(name="from", default=None)
    until: Moment | None = field(name="to", default=None)
    q: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class LogView(View, frozen=True, kw_only=True):
    """One line. `resource` is what it is about; `runId` the synchronisation or request it belongs to."""

    id: str
    patient_id: str
    document_id: str | None
    action: Action
    timestamp: datetime
    status: Status
    details: str
    resource: str | None
    run_id: str | None


async def listed(service: Service, visit: Visit, query: LogWanted) -> Outcome:
    """What was synchronised of a patient, newest first"""
    patient = visit.params["id"]
    visit.concerns(patients=(patient,))
    await syncing.require_reader(service.parts, await asked(service, visit, "sync-log-list"), patient)
    wanted = Wanted(
        patient,
        query.action,
        query.status,
        None if query.document_id is None else f"{DOCUMENT}/{query.document_id}",
        query.since,
        query.until,
        tuple((query.q or "").casefold().split()),
    )

    async def fetch(after: PageKey | None, count: int) -> tuple[Sequence[LogView], PageKey | None]:
        place = None if after is None else Place(after.updated, after.id)
        lines, following = await service.sync.log.page(wanted, after=place, count=count)
        return [view(each) for each in lines], None if following is None else PageKey(following.id, following.at)

    return await page(service, visit, query, fetch, lambda line: line, of=f"/patients/{patient}/logs")


async def shown(service: Service, visit: Visit) -> Outcome:
    """One line of the log"""
    occasion = await asked(service, visit, "sync-log-read")
    found = await service.sync.log.find(visit.params["id"])
    if found is None or not await syncing.reads_documents(service.parts, occasion, found.line.patient):
        raise NotFound("There is no such line")
    visit.concerns(patients=(found.line.patient,))
    return Outcome(view(found))


def view(logged: Logged) -> LogView:
    """A line as it is shown."""
    line = logged.line
    kind, _, name = (line.about or "").partition("/")
    return LogView(
        id=logged.id,
        patient_id=line.patient,
        document_id=name if kind == DOCUMENT else None,
        action=line.action,
        timestamp=line.at,
        status=line.status,
        details=line.details,
        resource=line.about,
        run_id=line.run,
    )


ENDPOINTS = (
    Endpoint("GET", "/patients/{id}/logs", "sync-log-list", listed, answers=Page),
    Endpoint("GET", "/logs/{id}", "sync-log-read", shown, answers=LogView),
)
