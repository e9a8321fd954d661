"""AuditEvent: read and search of what was recorded, by who may see it. https://hl7.org/fhir/R4/auditevent.html

Events come into being by recording requests (`domain/audit.py`) and in no other way: every other interaction is 405.
Reading them is a request like any other, and recorded.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from api.fhir.exchange import Reply
from api.fhir.headers import http_date, preference
from api.fhir.paging import HistoryPlace
from api.fhir.responses import CONTENT_TYPE, bundle_reply, cut, shaped, subset_of
from api.fhir.searches import asked
from api.fhir.searching import PAGE, self_url
from api.fhir.service import Call, Service
from domain.audit import READ_ONLY
from domain.audit_reading import AuditPage, AuditQuery
from domain.audit_sight import find_entries
from domain.errors import Issue, NotFound
from domain.identity import ResourceKey, etag, parse_id
from domain.revision import encode
from fhir_mapping.audit_event import audit_event
from fhir_mapping.audit_search import ParsedAuditSearch, parse_audit_search
from fhir_mapping.bundle import FoundEntry, searchset
from fhir_mapping.outcome import advisory

Pairs = Sequence[tuple[str, str]]


async def read(service: Service, call: Call) -> Reply:
    """GET [base]/AuditEvent/[id]"""
    query = AuditQuery(ids=(call.key.id,), count=1)
    page = await find_entries(service.audit, call.occasion.caller, query)
    if not page.records:
        raise NotFound(f"There is no {call.key}")
    record = page.records[0]
    body = shaped(call.exchange, encode(audit_event(record, call.exchange.base_url)))
    headers = {"content-type": CONTENT_TYPE, "etag": etag(1), "last-modified": http_date(record.recorded)}
    return Reply(200, headers, body, targets=(str(call.key),))


async def search(service: Service, call: Call) -> Reply:
    """GET [base]/AuditEvent?[parameters], POST [base]/AuditEvent/_search"""
    return await _search(service, call, asked(call), READ_ONLY)


async def of_patient(service: Service, call: Call) -> Reply:
    """GET [base]/Patient/[id]/AuditEvent: who saw this record"""
    kind, logical_id = call.exchange.segments[:2]
    if kind != "Patient":
        raise NotFound("There is nothing at this address", code="not-supported")
    pairs = [("patient", f"Patient/{parse_id(logical_id)}"), *asked(call)]
    return await _search(service, call, pairs, f"Patient/{logical_id}/{READ_ONLY}")


async def _search(service: Service, call: Call, pairs: Pairs, path: str) -> Reply:
    subject, after = call.occasion.caller.subject, None
    token = dict(pairs).get(PAGE)
    if token is not None:
        place = service.pages.read(token, HistoryPlace, path=path, subject=subject)
        pairs, after = place.pairs, place.after
    limits = service.limits
    strict = limits.strict_search or preference(call.exchange).strict
    parsed = parse_audit_search(pairs, strict=strict, count=limits.page, most=limits.largest_page)
    query = msgspec.structs.replace(parsed.query, after=after)
    page = await find_entries(service.audit, call.occasion.caller, query)
    next_url = None
    if page.next is not None:
        written = service.pages.write(HistoryPlace(tuple(pairs), page.next), path=path, subject=subject)
        next_url = f"{call.exchange.base_url}/{path}?{PAGE}={written}"
    reply = bundle_reply(call.exchange, _bundle(call, path, parsed, page, next_url))
    # Whose accesses were looked at; the entries themselves are results, which BALP does not record.
    reply.patients = query.patients or ()
    return reply


def _bundle(call: Call, path: str, parsed: ParsedAuditSearch, page: AuditPage, next_url: str | None) -> bytes:
    base, subset = call.exchange.base_url, subset_of(call.exchange)
    rows: list[FoundEntry] = []
    for record in page.records:
        body = encode(audit_event(record, base))
        rows.append(FoundEntry(ResourceKey(READ_ONLY, record.id), body if subset is None else cut(subset, body)))
    remarks = [
        Issue("not-supported", f"The parameter {name[:64]!r} is not known and was ignored", severity="warning")
        for name in parsed.ignored
    ]
    outcome = advisory(remarks) if remarks else None
    own_url = self_url(f"{base}/{path}", parsed.applied)
    return searchset(base, own_url, rows, total=page.total, next_url=next_url, outcome=outcome)
