"""Patient/$everything through HTTP: https://hl7.org/fhir/R4/patient-operation-everything.html

The rule is in `domain/operations/everything.py`; here are its parameters and its page links.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from api.fhir.exchange import Reply
from api.fhir.operation_answer import require_type, row, searchset_reply
from api.fhir.operation_input import count_of, pairs_of, require_known
from api.fhir.paging import NamePlace
from api.fhir.searching import PAGE, self_url
from api.fhir.service import Call, Service
from domain.errors import InvalidRequest
from domain.operations import everything as whole_record
from fhir_mapping.search_values.date import parse_date_interval

_PARAMETERS = frozenset({"start", "end", "_since", "_type", "_count", PAGE})


async def everything(service: Service, call: Call) -> Reply:
    """GET, POST [base]/Patient/[id]/$everything"""
    require_type(call, "Patient")
    subject, path = call.occasion.caller.subject, f"{call.key}/$everything"
    pairs, after = pairs_of(call), None
    token = dict(pairs).get(PAGE)
    if token is not None:
        place = service.pages.read(token, NamePlace, path=path, subject=subject)
        pairs, after = list(place.pairs), place.after
    given = require_known(pairs, _PARAMETERS)
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
    return searchset_reply(
        call, self_url(url, pairs), [row(call, entry) for entry in entries], entries, next_url=next_url
    )


def _types(service: Service, pairs: Iterable[tuple[str, str]]) -> frozenset[str] | None:
    names = [name for key, value in pairs if key == "_type" for name in value.split(",") if name]
    if not service.types.issuperset(names):
        raise InvalidRequest("'_type' takes R4 resource types", code="value", expression="_type")
    return frozenset(names) or None


def _bound(given: dict[str, str], name: str, end: int) -> datetime | None:
    """The start (0) or the end (1) of the interval that a date parameter covers."""
    return parse_date_interval(given[name], what=name)[end] if name in given else None
