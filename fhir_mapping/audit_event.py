"""Audit entries as FHIR AuditEvents in the shape of IHE BALP: https://profiles.ihe.net/ITI/BALP/

A profile is claimed only by an entry that satisfies it: a success of one of the RESTful interactions. BALP asks for one
event per patient of a search; ours is one event per request with every patient it concerned, so that of several patients
the profile without a patient is claimed (DECISIONS.md). The number and the contents of results are not told.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from domain.audit_reading import AuditRecord
from domain.identity import FhirJson
from domain.revision import instant
from fhir_mapping.audit_codes import (
    ACCOUNT,
    CLIENT,
    ENTITY,
    ENTITY_TYPE,
    MASKED,
    OBJECT_ROLE,
    OTHER,
    PATTERNS,
    PROFILES,
    PURPOSE,
    QUERY,
    ROLE,
    SOURCE,
    Pattern,
    kind_of,
)
from fhir_mapping.tables import RESOURCE_TYPES


def audit_event(record: AuditRecord, base_url: str) -> FhirJson:
    """The event of one entry. What of it was not opened is marked as masked."""
    pattern = PATTERNS.get(record.interaction, OTHER)
    query = pattern is QUERY
    entities = list(_entities(record, base_url, query=query))
    meta: FhirJson = {"versionId": "1", "lastUpdated": instant(record.recorded)}
    profile = _profile(record, pattern)
    if profile:
        meta["profile"] = [profile]
    system, event, subtype = kind_of(record.interaction)
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


def _profile(record: AuditRecord, pattern: Pattern) -> str:
    """The profile the event satisfies; empty for failures and for what BALP has no profile for."""
    one_object = len(record.targets) == 1
    if not pattern.profile or record.outcome != "0" or not (pattern is QUERY or one_object):
        return ""
    if pattern is QUERY and not record.has_query:
        return ""
    return f"{PROFILES}{'Patient' if len(record.patients) == 1 else ''}{pattern.profile}"


def _agents(record: AuditRecord, pattern: Pattern, base_url: str) -> Iterator[FhirJson]:
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
            yield {"what": _what(target), "type": _coding(ENTITY, "2"), "role": _coding(OBJECT_ROLE, "4")}
    for patient in record.patients:
        who = {"reference": f"Patient/{patient}"}
        yield {"what": who, "type": _coding(ENTITY, "1"), "role": _coding(OBJECT_ROLE, "1")}
    yield {"what": {"identifier": {"value": record.request_id}}, "type": _coding(ENTITY_TYPE, "XrequestId")}


def _what(target: str) -> FhirJson:
    """A resource by reference; what is no resource, such as an account, by a name of ours."""
    kind, _, rest = target.partition("/")
    if kind not in RESOURCE_TYPES:
        return {"identifier": {"system": f"urn:chartvault:{kind.lower()}", "value": rest or kind}}
    logical_id, _, version = rest.partition("/")
    return {"reference": f"{kind}/{logical_id}" + (f"/_history/{version}" if version else "")}


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
