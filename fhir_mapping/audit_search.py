"""Search parameters of AuditEvent to `AuditQuery`: https://hl7.org/fhir/R4/auditevent.html#search

The audit has a store of its own, so it is searched by the parameters it has indexes for. As everywhere: parameters that
are not known are named in `ignored`, or refused when handling is strict; a bad value is always refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from domain.audit_reading import AuditQuery
from domain.errors import InvalidRequest
from domain.identity import ID, parse_reference
from fhir_mapping.audit_event import ACCOUNT, CLIENT, DICOM, EVENT, ROLE, SECURITY, interactions_of
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
_ACTION = "http://hl7.org/fhir/audit-event-action"
_OUTCOME = "http://terminology.hl7.org/CodeSystem/audit-event-outcome"
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
            raise _refused(name, "a whole number")
        found["count"] = min(int(value), most)
        found["total"] = found.get("total", False) or found["count"] == 0
    elif name == "_total":
        if value not in ("none", "estimate", "accurate"):
            raise _refused(name, "none, estimate or accurate")
        found["total"] = found.get("total", False) or value == "accurate"
    elif name == "_summary":
        if value == "count":
            found["count"], found["total"] = 0, True
    elif name == "_sort":
        if value not in _SORTS:
            raise _refused(name, "date or -date")
        found["oldest_first"] = _SORTS[value]
    elif name in ("date", "_lastUpdated"):
        found["times"] = (*found.get("times", ()), *_times(name, value))
    elif name.partition(":")[0] in _FILTERS:
        return _filter(found, name, value)
    else:
        return False
    return True


def _filter(found: dict[str, Any], name: str, value: str) -> bool:
    code, _, modifier = name.partition(":")
    values = [unescape(each) for each in split(value, ",") if each]
    if not values or modifier not in _MODIFIERS.get(code, ("",)):
        raise _refused(name, "a value" if not values else "no such modifier")
    field, wanted = _FILTERS[code](modifier, values)
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
    raise _refused(name, "no prefix 'ne'")


def _refused(name: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"'{name[:64]}' takes {what}", code="value", expression=name[:64])


def _token(name: str, systems: Sequence[str], value: str) -> str | None:
    """The code of a token of one of the systems; `None` for one of another system."""
    system, bar, code = value.rpartition("|")
    if not code:
        raise _refused(name, "a code")
    return code if not bar or system in systems else None


def _codes(name: str, field: str, *systems: str) -> Callable[[str, Sequence[str]], tuple[str, tuple[str, ...]]]:
    def taken(_: str, values: Sequence[str]) -> tuple[str, tuple[str, ...]]:
        codes = [_token(name, systems, value) for value in values]
        return field, tuple(code for code in codes if code is not None)

    return taken


def _subtype(_: str, values: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    names: list[str] = []
    for value in values:
        system, bar, code = value.rpartition("|")
        names += interactions_of(system if bar else None, code)
    return "interactions", tuple(dict.fromkeys(names))


def _type(_: str, values: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """One kind of event: RESTful ones, or those that DICOM names."""
    if len(values) != 1:
        raise _refused("type", "one code")
    system, bar, code = values[0].rpartition("|")
    if code == "rest" and system in ("", EVENT):
        return "other_than", tuple(SECURITY)
    known = not bar or system == DICOM
    return "interactions", tuple(name for name, (event, _) in SECURITY.items() if known and event == code)


def _patient(_: str, values: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    return "patients", tuple(_reference("patient", value, "Patient").partition("/")[2] for value in values)


def _entity(_: str, values: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    return "targets", tuple(_reference("entity", value, None) for value in values)


def _agent(modifier: str, values: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """A person by who they are in the records, or (`:identifier`) by their account."""
    if modifier == "identifier":
        accounts = [_token("agent", (ACCOUNT, CLIENT, ""), value) for value in values]
        return "subjects", tuple(account for account in accounts if account is not None)
    return "profiles", tuple(_reference("agent", value, modifier or None) for value in values)


def _reference(name: str, value: str, only: str | None) -> str:
    """`Type/id` of a literal reference; a bare id means a resource of type `only`."""
    if only is not None and ID.fullmatch(value):
        return f"{only}/{value}"
    reference = parse_reference(value)
    if reference is None:
        raise _refused(name, "a reference such as Patient/123")
    return str(reference.key)


_FILTERS: Mapping[str, Callable[[str, Sequence[str]], tuple[str, tuple[str, ...]]]] = {
    "_id": _codes("_id", "ids"),
    "action": _codes("action", "actions", _ACTION),
    "agent": _agent,
    "agent-role": _codes("agent-role", "roles", ROLE),
    "entity": _entity,
    "outcome": _codes("outcome", "outcomes", _OUTCOME),
    "patient": _patient,
    "subtype": _subtype,
    "type": _type,
}
_MODIFIERS: Mapping[str, tuple[str, ...]] = {"agent": ("", "identifier", "Practitioner", "Patient", "RelatedPerson")}
