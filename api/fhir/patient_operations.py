"""Operations on patients and their observations: `$everything`, `$lastn`, `$match`.

https://hl7.org/fhir/R4/patient-operation-everything.html, https://hl7.org/fhir/R4/observation-operation-lastn.html,
https://hl7.org/fhir/R4/patient-operation-match.html. Their rules are in `domain/operations`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from api.fhir.exchange import Reply
from api.fhir.operation_input import count_of, pairs_of, require_known, rows_of
from api.fhir.paging import NamePlace
from api.fhir.responses import bundle_reply, cut, subset_of
from api.fhir.searching import PAGE, self_url
from api.fhir.service import Call, Service
from domain.errors import InvalidRequest, NotFound
from domain.interactions.including import Entry
from domain.operations import everything as whole_record
from domain.operations import lastn as newest_ones
from domain.operations import match as matching
from domain.revision import Head
from fhir_mapping.bundle import FoundEntry, searchset
from fhir_mapping.search_values.date import parse_date_interval

_EVERYTHING = frozenset({"start", "end", "_since", "_type", "_count", PAGE})


async def everything(service: Service, call: Call) -> Reply:
    """GET, POST [base]/Patient/[id]/$everything"""
    _require_type(call, "Patient")
    subject, path = call.occasion.caller.subject, f"{call.key}/$everything"
    pairs, after = pairs_of(call), None
    token = dict(pairs).get(PAGE)
    if token is not None:
        place = service.pages.read(token, NamePlace, path=path, subject=subject)
        pairs, after = list(place.pairs), place.after
    given = require_known(pairs, _EVERYTHING)
    types = _types(service, pairs)
    wanted = whole_record.Wanted(
        count=count_of(service, given.get("_count"), name="_count", default=service.limits.page),
        after=after,
        start=_bound(given, "start", 0),
        end=_bound(given, "end", 1),
        since=_bound(given, "_since", 0),
        types=types,
    )
    found = await whole_record.everything(service.parts, call.occasion, call.key.id, wanted)
    url, next_url = f"{call.exchange.base_url}/{path}", None
    if found.next is not None:
        next_url = (
            f"{url}?{PAGE}={service.pages.write(NamePlace(tuple(pairs), found.next), path=path, subject=subject)}"
        )
    entries = [*found.entries, *found.supporting]
    return _reply(call, self_url(url, pairs), [_row(call, entry) for entry in entries], entries, next_url=next_url)


async def lastn(service: Service, call: Call) -> Reply:
    """GET, POST [base]/Observation/$lastn"""
    _require_type(call, "Observation")
    pairs = pairs_of(call)
    most = count_of(service, dict(pairs).get("max"), name="max", default=1)
    conditions = [pair for pair in pairs if pair[0] not in ("max", "_format", "_pretty")]
    if not any(name.partition(":")[0].partition(".")[0] in ("patient", "subject") for name, _ in conditions):
        raise InvalidRequest("$lastn needs 'patient' or 'subject'", code="required", expression="patient")
    parsed = service.parts.search.parse("Observation", conditions, strict=True)
    entries = await newest_ones.lastn(service.parts, call.occasion, parsed.query, most)
    url = self_url(f"{call.exchange.base_url}/Observation/$lastn", pairs)
    return _reply(call, url, [_row(call, entry) for entry in entries], entries, total=len(entries))


async def match(service: Service, call: Call) -> Reply:
    """POST [base]/Patient/$match"""
    _require_type(call, "Patient")
    rows = {str(row["name"]): row for row in rows_of(call)}
    require_known([(name, "") for name in rows], {"resource", "onlyCertainMatches", "count"})
    patient = rows.get("resource", {}).get("resource")
    if not isinstance(patient, dict) or patient.get("resourceType") != "Patient":
        raise InvalidRequest("$match needs a Patient in 'resource'", code="required", expression="Parameters.parameter")
    service.parts.validate.check(patient)
    number = rows.get("count", {}).get("valueInteger")
    found = await matching.match(
        service.parts,
        call.occasion,
        patient,
        only_certain=rows.get("onlyCertainMatches", {}).get("valueBoolean") is True,
        count=count_of(service, None if number is None else str(number), name="count", default=service.limits.page),
    )
    graded = [(each.entry, _row(call, each.entry)._replace(score=each.score, grade=each.grade)) for each in found]
    url = f"{call.exchange.base_url}/Patient/$match"
    return _reply(call, url, [row for _, row in graded], [entry for entry, _ in graded], total=len(found))


def _require_type(call: Call, resource_type: str) -> None:
    if call.type != resource_type:
        raise NotFound(f"There is no such operation on {call.type}", code="not-supported")


def _types(service: Service, pairs: Iterable[tuple[str, str]]) -> frozenset[str] | None:
    names = [name for key, value in pairs if key == "_type" for name in value.split(",") if name]
    if not service.types.issuperset(names):
        raise InvalidRequest("'_type' takes R4 resource types", code="value", expression="_type")
    return frozenset(names) or None


def _bound(given: dict[str, str], name: str, end: int) -> datetime | None:
    """The start (0) or the end (1) of the interval that a date parameter covers."""
    return parse_date_interval(given[name], what=name)[end] if name in given else None


def _row(call: Call, entry: Entry) -> FoundEntry:
    subset, content = subset_of(call.exchange), entry.content
    if subset is not None and isinstance(content, bytes):
        content = cut(subset, content)
    return FoundEntry(entry.head.key, content)


def _reply(
    call: Call,
    url: str,
    rows: Sequence[FoundEntry],
    entries: Sequence[Entry],
    *,
    total: int | None = None,
    next_url: str | None = None,
) -> Reply:
    body = searchset(call.exchange.base_url, url, rows, total=total, next_url=next_url)
    reply = bundle_reply(call.exchange, body)
    heads: list[Head] = [entry.head for entry in entries]
    reply.targets = tuple(str(head.key) for head in heads)
    reply.patients = tuple(dict.fromkeys(head.patient for head in heads if head.patient))
    return reply
