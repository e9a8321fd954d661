"""History requests to history Bundles: https://hl7.org/fhir/R4/http.html#history"""

from __future__ import annotations

import msgspec

from api.fhir.exchange import Reply
from api.fhir.paging import HistoryPlace
from api.fhir.responses import bundle_reply
from api.fhir.searching import PAGE, self_url
from api.fhir.service import Call, Service
from domain.errors import Gone, InvalidRequest
from domain.history_query import HistoryQuery
from domain.interactions.history import Past
from domain.interactions.history import history as past_of
from fhir_mapping.bundle import VersionEntry, history_bundle
from fhir_mapping.search_values.date import parse_date_interval

_KNOWN = frozenset({"_since", "_at", "_count", "_format", "_pretty", "_sort", "_summary", "_elements", PAGE})


async def instance(service: Service, call: Call) -> Reply:
    """GET [base]/[type]/[id]/_history"""
    return await _history(service, call, HistoryQuery(key=call.key), str(call.key))


async def of_type(service: Service, call: Call) -> Reply:
    """GET [base]/[type]/_history"""
    return await _history(service, call, HistoryQuery(type=call.type), call.type)


async def system(service: Service, call: Call) -> Reply:
    """GET [base]/_history"""
    return await _history(service, call, HistoryQuery(), "")


async def _history(service: Service, call: Call, query: HistoryQuery, name: str) -> Reply:
    subject, path = call.occasion.caller.subject, f"{name}/_history".lstrip("/")
    pairs = [(key, value) for key, value in call.exchange.pairs if key in _KNOWN]
    token = dict(pairs).get(PAGE)
    if token is not None:
        place = service.pages.read(token, HistoryPlace, path=path, subject=subject)
        pairs = list(place.pairs)
        query = msgspec.structs.replace(query, after=place.after)
    past = await past_of(service.parts, call.occasion, _bounded(service, query, dict(pairs)))
    base, next_url = call.exchange.base_url, None
    if past.next is not None:
        written = service.pages.write(HistoryPlace(tuple(pairs), past.next), path=path, subject=subject)
        next_url = f"{base}/{path}?{PAGE}={written}"
    body = history_bundle(base, self_url(f"{base}/{path}", pairs), _rows(past), total=past.total, next_url=next_url)
    reply = bundle_reply(call.exchange, body)
    reply.targets = tuple(head.key.at(head.version) for head in past.heads)
    reply.patients = tuple(dict.fromkeys(head.patient for head in past.heads if head.patient))
    return reply


def _rows(past: Past) -> list[VersionEntry]:
    gone = Gone("This version is a deletion")
    return [
        VersionEntry(head, content if content is not None else gone)
        for head, content in zip(past.heads, past.contents, strict=True)
    ]


def _bounded(service: Service, query: HistoryQuery, parameters: dict[str, str]) -> HistoryQuery:
    count = parameters.get("_count", str(service.limits.page))
    if not (count.isascii() and count.isdecimal()) or len(count) > 9:
        raise InvalidRequest("_count is a whole number", code="value", expression="_count")
    low, high = parse_date_interval(parameters["_at"], what="_at") if "_at" in parameters else (None, None)
    return msgspec.structs.replace(
        query,
        since=parse_date_interval(parameters["_since"], what="_since")[0] if "_since" in parameters else None,
        at_low=low,
        at_high=high,
        count=min(int(count), service.limits.largest_page),
    )
