"""The filters of an AuditEvent search: each parameter's values to a field of `AuditQuery` and what it must be.

https://hl7.org/fhir/R4/auditevent.html#search. A value of a system we do not use selects nothing; it is no mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from domain.errors import InvalidRequest
from domain.identity import ID, parse_reference
from fhir_mapping.audit_codes import ACCOUNT, CLIENT, DICOM, EVENT, ROLE, SECURITY, interactions_of

Wanted: TypeAlias = tuple[str, tuple[str, ...]]
"""A field of the query, and its values."""
_ACTION = "http://hl7.org/fhir/audit-event-action"
_OUTCOME = "http://terminology.hl7.org/CodeSystem/audit-event-outcome"


def refused(name: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"'{name[:64]}' takes {what}", code="value", expression=name[:64])


def _token(name: str, systems: Sequence[str], value: str) -> str | None:
    """The code of a token of one of the systems; `None` for one of another system."""
    system, bar, code = value.rpartition("|")
    if not code:
        raise refused(name, "a code")
    return code if not bar or system in systems else None


def _codes(name: str, field: str, *systems: str) -> Callable[[str, Sequence[str]], Wanted]:
    def taken(_: str, values: Sequence[str]) -> Wanted:
        codes = [_token(name, systems, value) for value in values]
        return field, tuple(code for code in codes if code is not None)

    return taken


def _subtype(_: str, values: Sequence[str]) -> Wanted:
    names: list[str] = []
    for value in values:
        system, bar, code = value.rpartition("|")
        names += interactions_of(system if bar else None, code)
    return "interactions", tuple(dict.fromkeys(names))


def _type(_: str, values: Sequence[str]) -> Wanted:
    """One kind of event: RESTful ones, or those that DICOM names."""
    if len(values) != 1:
        raise refused("type", "one code")
    system, bar, code = values[0].rpartition("|")
    if code == "rest" and system in ("", EVENT):
        return "other_than", tuple(SECURITY)
    known = not bar or system == DICOM
    return "interactions", tuple(name for name, (event, _) in SECURITY.items() if known and event == code)


def _patient(_: str, values: Sequence[str]) -> Wanted:
    return "patients", tuple(_reference("patient", value, "Patient").partition("/")[2] for value in values)


def _entity(_: str, values: Sequence[str]) -> Wanted:
    return "targets", tuple(_reference("entity", value, None) for value in values)


def _agent(modifier: str, values: Sequence[str]) -> Wanted:
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
        raise refused(name, "a reference such as Patient/123")
    return str(reference.key)


FILTERS: Mapping[str, Callable[[str, Sequence[str]], Wanted]] = {
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
MODIFIERS: Mapping[str, tuple[str, ...]] = {"agent": ("", "identifier", "Practitioner", "Patient", "RelatedPerson")}
