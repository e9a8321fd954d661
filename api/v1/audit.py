"""Who did what, and who saw a record: `/api/v1/audit` of PRODUCT 2.11. What each may see: `domain/audit_sight.py`.

Names are those of people who work here and one's own; of other patients no name is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

from msgspec import Meta, field

from api.v1.endpoint import Endpoint, Form, Outcome, View, Visit
from api.v1.service import Service
from domain.access import Caller
from domain.audit import Action
from domain.audit_check import examined
from domain.audit_reading import AuditQuery, AuditRecord
from domain.audit_sight import find_entries
from domain.errors import InvalidFields
from domain.history_query import HistoryKey
from domain.identity import ResourceKey
from fhir_mapping.json_text import parse

_LIST, _CHECK = "/audit", "/audit/verify"
Id = Annotated[str, Meta(min_length=1, max_length=128)]


class Wanted(Form, frozen=True, kw_only=True):
    """Each filter narrows; `from` is included, `to` is not."""

    patient_id: Id | None = None
    user_id: Id | None = None
    action: Action | None = None
    interaction: Id | None = None
    since: Annotated[datetime, Meta(tz=True)] | None = field(name="from", default=None)
    until: Annotated[datetime, Meta(tz=True)] | None = field(name="to", default=None)
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: str | None = None


class WhoView(View, frozen=True, kw_only=True):
    """Who asked. `name` and `organizations` are those of people who work here."""

    id: str
    client: str
    name: str | None = None
    roles: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()


class EntryView(View, frozen=True, kw_only=True):
    id: str
    time: datetime
    interaction: str
    action: str
    status: int
    who: WhoView
    purpose: tuple[str, ...]
    patient_ids: tuple[str, ...]
    resources: tuple[str, ...]
    request_id: str
    query: str | None = None
    network: str | None = None


class AuditView(View, frozen=True, kw_only=True):
    items: tuple[EntryView, ...]
    next: str | None


class CheckWanted(Form, frozen=True, kw_only=True):
    limit: Annotated[int, Meta(ge=1, le=50_000)] = 10_000
    cursor: str | None = None


class FindingView(View, frozen=True, kw_only=True):
    where: str
    message: str


class CheckView(View, frozen=True, kw_only=True):
    """`next` goes on with the check; without one everything was examined."""

    entries: int
    findings: tuple[FindingView, ...]
    next: str | None


async def listed(service: Service, visit: Visit, query: Wanted) -> Outcome:
    """The audit, newest first: of a record, of a person, or all one may see"""
    of = f"{_LIST}?{query.patient_id}|{query.user_id}|{query.action}|{query.interaction}|{query.since}|{query.until}"
    subject = visit.caller.subject
    wanted = AuditQuery(
        patients=_one(query.patient_id),
        subjects=_one(query.user_id),
        actions=_one(query.action),
        interactions=_one(query.interaction),
        times=((query.since, query.until),),
        count=query.limit,
        after=_place(service.cursors.read(query.cursor, of=of, subject=subject)),
    )
    page = await find_entries(service.audit, visit.caller, wanted)
    if query.patient_id is not None:
        visit.concerns(patients=(query.patient_id,))
    following = None
    if page.next is not None:
        after = f"{page.next.recorded.isoformat()}|{page.next.name}"
        following = service.cursors.write(after, of=of, subject=subject)
    names = await _people(service, visit.caller, page.records)
    places = await _organizations(service, page.records)
    items = tuple(_view(record, names, places) for record in page.records)
    return Outcome(AuditView(items=items, next=following))


async def checked(service: Service, visit: Visit, query: CheckWanted) -> Outcome:
    """Check that no entry of the audit was changed or removed, so many at a time"""
    subject = visit.caller.subject
    place = service.cursors.read(query.cursor, of=_CHECK, subject=subject)
    found = await examined(service.audit, visit.caller, place, query.limit)
    following = None if found.next is None else service.cursors.write(found.next, of=_CHECK, subject=subject)
    findings = tuple(FindingView(where=where, message=message) for where, message in found.findings)
    return Outcome(CheckView(entries=found.entries, findings=findings, next=following))


def _one(value: str | None) -> tuple[str, ...] | None:
    return None if value is None else (value,)


def _place(text: str) -> HistoryKey | None:
    if not text:
        return None
    moment, _, name = text.partition("|")
    try:
        return HistoryKey(datetime.fromisoformat(moment), name)
    except ValueError:
        raise InvalidFields("This cursor was not made for this list", expression="?cursor") from None


async def _people(service: Service, caller: Caller, records: Sequence[AuditRecord]) -> dict[str, str]:
    """Names by account: of who works here, and the caller's own."""
    ids = list(dict.fromkeys(record.subject for record in records if record.roles))
    accounts = await service.people.accounts.find_many(ids) if ids else []
    return {
        account.id: f"{account.first_name} {account.last_name}"
        for account in accounts
        if account is not None and (account.is_staff or account.id == caller.account)
    }


async def _organizations(service: Service, records: Sequence[AuditRecord]) -> dict[str, str]:
    """Names by reference; an organisation without one, or that is gone, by its reference."""
    wanted = dict.fromkeys(name for record in records for name in record.organizations)
    keys = [ResourceKey(*name.split("/")) for name in wanted if name.startswith("Organization/")]
    stored = [one for one in await service.parts.store.newest_of(keys) if one is not None and not one.head.deleted]
    contents = await service.parts.store.open(stored)
    names = {
        str(one.head.key): parse(content).get("name")
        for one, content in zip(stored, contents, strict=True)
        if isinstance(content, bytes)
    }
    return {reference: name or reference for reference, name in names.items()}


def _view(record: AuditRecord, names: Mapping[str, str], places: Mapping[str, str]) -> EntryView:
    who = WhoView(
        id=record.subject,
        client=record.client,
        name=names.get(record.subject),
        roles=record.roles,
        organizations=tuple(places.get(name, name) for name in record.organizations),
    )
    return EntryView(
        id=record.id,
        time=record.recorded,
        interaction=record.interaction,
        action=record.action,
        status=record.status,
        who=who,
        purpose=record.purpose,
        patient_ids=record.patients,
        resources=record.targets,
        request_id=record.request_id,
        query=record.query,
        network=record.network,
    )


ENDPOINTS = (
    Endpoint("GET", _LIST, "audit-list", listed, answers=AuditView),
    Endpoint("GET", _CHECK, "audit-verify", checked, answers=CheckView),
)
