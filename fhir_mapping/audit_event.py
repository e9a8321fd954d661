"""Audit entries as FHIR AuditEvents in the shape of IHE BALP: https://profiles.ihe.net/ITI/BALP/

A profile is claimed only by an entry that satisfies it: a success of one of the RESTful interactions. BALP asks for one
event per patient of a search; ours is one event per request with every patient it concerned, so that of several patients
the profile without a patient is claimed (DECISIONS.md). The number and the contents of results are not told.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import NamedTuple

from domain.audit_reading import AuditRecord
from domain.identity import FhirJson
from domain.revision import instant

PROFILES = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
ENTITY_TYPE = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
EVENT = "http://terminology.hl7.org/CodeSystem/audit-event-type"
RESTFUL = "http://hl7.org/fhir/restful-interaction"
DICOM = "http://dicom.nema.org/resources/ontology/DCM"
ENTITY = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
CUSTODIAN = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
SOURCE = "http://terminology.hl7.org/CodeSystem/security-source-type"
PURPOSE = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
MASKED = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
INTERACTION = "urn:chartvault:interaction"
ROLE, ACCOUNT, CLIENT = "urn:chartvault:role", "urn:chartvault:account", "urn:chartvault:client"
INSTANTS = "1"
"""The version of every event: it never changes."""

RESTFUL_CODES = frozenset(
    {
        *(
            "read",
            "vread",
            "update",
            "patch",
            "delete",
            "create",
            "search-type",
            "search-system",
            "transaction",
            "batch",
        ),
        *("history-instance", "history-type", "history-system", "operation", "capabilities"),
    }
)
SECURITY: dict[str, tuple[str, str]] = {
    "login": ("110114", "110122"),
    "logout": ("110114", "110123"),
    "break-glass": ("110113", "110127"),
}
"""Interactions that DICOM has names for: event and subtype. https://dicom.nema.org/medical/dicom/current/output/chtml/part16/chapter_D.html"""


class _Pattern(NamedTuple):
    """How BALP tells the two machines and the person of an interaction apart: system and code of each."""

    profile: str
    client: tuple[str, str]
    server: tuple[str, str]
    user: tuple[str, str]


_SOURCE, _DESTINATION = (DICOM, "110153"), (DICOM, "110152")
_RECIPIENT, _AUTHOR = (PARTICIPATION, "IRCP"), (PARTICIPATION, "AUT")
_READ = _Pattern("Read", _DESTINATION, _SOURCE, _RECIPIENT)
_UPDATE = _Pattern("Update", _SOURCE, _DESTINATION, _AUTHOR)
_QUERY = _Pattern("Query", _SOURCE, _DESTINATION, _RECIPIENT)
_OTHER = _Pattern("", _SOURCE, _DESTINATION, _RECIPIENT)
PATTERNS: dict[str, _Pattern] = {
    "read": _READ,
    "vread": _READ,
    "create": _Pattern("Create", _SOURCE, _DESTINATION, _AUTHOR),
    "update": _UPDATE,
    "patch": _UPDATE,
    "delete": _Pattern("Delete", (DICOM, "110150"), (CUSTODIAN, "custodian"), _AUTHOR),
    "search-type": _QUERY,
    "search-system": _QUERY,
    "transaction": _Pattern("", _SOURCE, _DESTINATION, _AUTHOR),
    "history-instance": _READ._replace(profile=""),
    "history-type": _READ._replace(profile=""),
    "history-system": _READ._replace(profile=""),
}


def audit_event(record: AuditRecord, base_url: str) -> FhirJson:
    """The event of one entry. What of it was not opened is marked as masked."""
    pattern = PATTERNS.get(record.interaction, _OTHER)
    query = pattern is _QUERY
    entities = list(_entities(record, base_url, query=query))
    meta: FhirJson = {"versionId": INSTANTS, "lastUpdated": instant(record.recorded)}
    profile = _profile(record, pattern)
    if profile:
        meta["profile"] = [profile]
    system, event, subtype = _kind(record.interaction)
    content: FhirJson = {
        "resourceType": "AuditEvent",
        "id": record.id,
        "meta": meta,
        "type": {"system": system, "code": event},
        "subtype": [subtype],
        "action": record.action,
        "recorded": instant(record.recorded),
        "outcome": record.outcome,
        "outcomeDesc": f"HTTP {record.status}",
        "agent": list(_agents(record, pattern, base_url)),
        "source": {"observer": _identified(base_url), "type": [{"system": SOURCE, "code": "4"}]},
        "entity": entities,
    }
    if record.purpose:
        content["purposeOfEvent"] = [_concept(PURPOSE, code) for code in record.purpose]
    return content


def interactions_of(system: str | None, code: str) -> tuple[str, ...]:
    """The interactions a `subtype` token means; none for a code of another system."""
    if system in (None, DICOM):
        named = tuple(name for name, (_, subtype) in SECURITY.items() if subtype == code)
        if named:
            return named
    return (code,) if system in (None, RESTFUL if code in RESTFUL_CODES else INTERACTION) else ()


def _kind(interaction: str) -> tuple[str, str, FhirJson]:
    """System and code of the event, and its subtype."""
    if interaction in SECURITY:
        event, subtype = SECURITY[interaction]
        return DICOM, event, {"system": DICOM, "code": subtype}
    return EVENT, "rest", {"system": RESTFUL if interaction in RESTFUL_CODES else INTERACTION, "code": interaction}


def _profile(record: AuditRecord, pattern: _Pattern) -> str:
    """The profile the event satisfies; empty for failures and for what BALP has no profile for."""
    one_object = len(record.targets) == 1
    if not pattern.profile or record.outcome != "0" or not (pattern is _QUERY or one_object):
        return ""
    if pattern is _QUERY and not record.has_query:
        return ""
    return f"{PROFILES}{'Patient' if len(record.patients) == 1 else ''}{pattern.profile}"


def _agents(record: AuditRecord, pattern: _Pattern, base_url: str) -> Iterator[FhirJson]:
    person = bool(record.roles or record.profiles)
    network: FhirJson = {"type": "2"} if record.network is None else {"address": record.network, "type": "2"}
    yield {
        "type": _concept(*pattern.client),
        "who": {"identifier": {"system": CLIENT, "value": record.client or record.subject}},
        "requestor": not person,
        "network": network,
    }
    yield {
        "type": _concept(*pattern.server),
        "who": _identified(base_url),
        "requestor": False,
        "network": {"address": base_url, "type": "5"},
    }
    if person:
        user: FhirJson = {"type": _concept(*pattern.user)}
        if record.roles:
            user["role"] = [_concept(ROLE, role) for role in record.roles]
        who: FhirJson = {"reference": record.profiles[0]} if record.profiles else {}
        user["who"] = {**who, "identifier": {"system": ACCOUNT, "value": record.subject}}
        user["requestor"] = True
        if record.purpose:
            user["purposeOfUse"] = [_concept(PURPOSE, code) for code in record.purpose]
        yield user


def _entities(record: AuditRecord, base_url: str, *, query: bool) -> Iterator[FhirJson]:
    if query:
        if record.has_query:
            yield _query_entity(record, base_url)
    else:
        for target in record.targets:
            kind, _, rest = target.partition("/")
            logical_id, _, version = rest.partition("/")
            name = f"{kind}/{logical_id}" + (f"/_history/{version}" if version else "")
            yield {"what": {"reference": name}, "type": _coding(ENTITY, "2"), "role": _coding(OBJECT_ROLE, "4")}
    for patient in record.patients:
        who = {"reference": f"Patient/{patient}"}
        yield {"what": who, "type": _coding(ENTITY, "1"), "role": _coding(OBJECT_ROLE, "1")}
    yield {"what": {"identifier": {"value": record.request_id}}, "type": _coding(ENTITY_TYPE, "XrequestId")}


def _query_entity(record: AuditRecord, base_url: str) -> FhirJson:
    """The raw search, base64; masked for who may not read it."""
    entity: FhirJson = {"type": _coding(ENTITY, "2"), "role": _coding(OBJECT_ROLE, "24")}
    if record.query is None:
        return {**entity, "_query": {"extension": [{"url": MASKED, "valueCode": "masked"}]}}
    return {**entity, "query": base64.b64encode(f"{base_url}/{record.query}".encode()).decode()}


def _coding(system: str, code: str) -> FhirJson:
    return {"system": system, "code": code}


def _concept(system: str, code: str) -> FhirJson:
    return {"coding": [_coding(system, code)]}


def _identified(base_url: str) -> FhirJson:
    return {"identifier": {"system": "urn:ietf:rfc:3986", "value": base_url}}
