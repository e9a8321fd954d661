"""Search parameters of AuditEvent to `AuditQuery`: https://hl7.org/fhir/R4/auditevent.html#search

The audit has a store of its own, so it is searched by the parameters it has indexes for. As everywhere: parameters that
are not known are named in `ignored`, or refused when handling is strict; a bad value is always refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from domain.audit_reading import AuditQuery
from domain.errors import InvalidRequest
from fhir_mapping.audit_filters import FILTERS, MODIFIERS, refused
from fhir_mapping.search_values.date import parse_date_interval, split_prefix
from fhir_mapping.search_values.escaping import split, unescape

PARAMETERS: Mapping[str, str] = {
    "_id": "token",
    "_lastUpdated": "date",
    "action": "token",
    "agent": "reference",
    "agent-role": "token",
    "date": "date",
    "entity": "reference",
    "outcome": "token",
    "patient": "reference",
    "subtype": "token",
    "type": "token",
}
"""What can be searched, with the kind of each."""
_PRESENTATION = frozenset({"_format", "_pretty", "_elements"})
_SORTS = {"date": True, "-date": False, "_lastUpdated": True, "-_lastUpdated": False}
_LONGEST = 1000
_Times = tuple[tuple[datetime | None, datetime | None], ...]


class ParsedAuditSearch(NamedTuple):
    """The query; the pairs that took effect; the names of parameters that are not known."""

    query: AuditQuery
    applied: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]


def parse_audit_search(pairs: Sequence[tuple[str, str]], *, strict: bool, count: int, most: int) -> ParsedAuditSearch:
    """The query of a query string: newest first, `count` entries a page unless it says otherwise, never more than `most`."""
    found: dict[str, Any] = {"count": count}
    applied: list[tuple[str, str]] = []
    ignored: list[str] = []
    for name, value in pairs:
        if len(value) > _LONGEST:
            raise InvalidRequest(f"'{name[:64]}' is too long", code="too-costly")
        taken = _take(found, name, value, most)
        if taken:
            applied.append((name, value))
        elif strict:
            raise InvalidRequest(f"'{name[:64]}' is not a search parameter of AuditEvent", code="not-supported")
        else:
            ignored.append(name)
    return ParsedAuditSearch(AuditQuery(**found), tuple(applied), tuple(ignored))


def _take(found: dict[str, Any], name: str, value: str, most: int) -> bool:
    """Whether `name` is known; what it asks is added to `found`."""
    if name in _PRESENTATION:
        return True
    if name == "_count":
        if not (value.isascii() and value.isdecimal()) or len(value) > 9:
            raise refused(name, "a whole number")
        found["count"] = min(int(value), most)
        found["total"] = found.get("total", False) or found["count"] == 0
    elif name == "_total":
        if value not in ("none", "estimate", "accurate"):
            raise refused(name, "none, estimate or accurate")
        found["total"] = found.get("total", False) or value == "accurate"
    elif name == "_summary":
        if value == "count":
            found["count"], found["total"] = 0, True
    elif name == "_sort":
        if value not in _SORTS:
            raise refused(name, "date or -date")
        found["oldest_first"] = _SORTS[value]
    elif name in ("date", "_lastUpdated"):
        found["times"] = (*found.get("times", ()), *_times(name, value))
    elif name.partition(":")[0] in FILTERS:
        return _filter(found, name, value)
    else:
        return False
    return True


def _filter(found: dict[str, Any], name: str, value: str) -> bool:
    code, _, modifier = name.partition(":")
    values = [unescape(each) for each in split(value, ",") if each]
    if not values or modifier not in MODIFIERS.get(code, ("",)):
        raise refused(name, "a value" if not values else "no such modifier")
    field, wanted = FILTERS[code](modifier, values)
    earlier = found.get(field)
    # Repeated parameters all hold: what satisfies both lists.
    found[field] = wanted if earlier is None else tuple(each for each in earlier if each in wanted)
    return True


def _times(name: str, value: str) -> _Times:
    prefix, text = split_prefix(unescape(value))
    low, high = parse_date_interval(text, what=name)
    match prefix:
        case "eq" | "ap":
            return ((low, high),)
        case "ge":
            return ((low, None),)
        case "gt" | "sa":
            return ((high, None),)
        case "le":
            return ((None, high),)
        case "lt" | "eb":
            return ((None, low),)
    raise refused(name, "no prefix 'ne'")
