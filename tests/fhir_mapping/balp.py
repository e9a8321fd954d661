"""The rules of the IHE BALP profiles that events claim, written from the profiles: https://profiles.ihe.net/ITI/BALP/

One function per family of rules; each yields a sentence for every rule an event breaks.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

BASE = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
DCM = "http://dicom.nema.org/resources/ontology/DCM"
CUSTODIAN = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
ENTITY = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
REQUEST_ID = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
Event = dict[str, Any]

# Profile: actions, subtypes, type of the client, type of the server, types of the user.
RULES: dict[str, tuple[str, set[str], tuple[str, str], tuple[str, str], set[str]]] = {
    "Create": ("C", {"create"}, (DCM, "110153"), (DCM, "110152"), {"AUT", "INF", "CST"}),
    "Read": ("R", {"read", "vread"}, (DCM, "110152"), (DCM, "110153"), {"IRCP"}),
    "Update": ("U", {"update", "patch"}, (DCM, "110153"), (DCM, "110152"), {"AUT", "INF", "CST"}),
    "Delete": ("D", {"delete"}, (DCM, "110150"), (CUSTODIAN, "custodian"), {"AUT", "INF", "CST"}),
    "Query": ("E", {"search", "search-type", "search-system"}, (DCM, "110153"), (DCM, "110152"), {"IRCP"}),
}


def broken_rules(event: Event) -> list[str]:
    """Every rule of the profile it claims that the event breaks; of every event those that all profiles share."""
    claimed = event["meta"].get("profile", [])
    found = list(_shared(event))
    for profile in claimed:
        if not profile.startswith(BASE):
            found.append(f"{profile} is not a BALP profile")
            continue
        name = profile.removeprefix(BASE)
        family = name.removeprefix("Patient")
        found += _event(event, family)
        found += _agents(event, family)
        found += _entities(event, family, patient=name != family)
    return found


def _shared(event: Event) -> Iterator[str]:
    if not event.get("recorded"):
        yield "recorded 1..1"
    if not event.get("source", {}).get("observer"):
        yield "source.observer 1..1"
    if sum(bool(agent.get("requestor")) for agent in event["agent"]) != 1:
        yield "exactly one agent is the requestor"
    if not all(_names_somebody(agent.get("who", {})) for agent in event["agent"]):
        yield "every agent names one who"


def _names_somebody(who: Event) -> bool:
    return bool(who.get("reference") or who.get("identifier", {}).get("value"))


def _event(event: Event, family: str) -> Iterator[str]:
    action, subtypes, *_ = RULES[family]
    system = "http://terminology.hl7.org/CodeSystem/audit-event-type"
    if (event["type"]["system"], event["type"]["code"]) != (system, "rest"):
        yield "type is rest"
    if not any(
        each["system"] == "http://hl7.org/fhir/restful-interaction" and each["code"] in subtypes
        for each in event["subtype"]
    ):
        yield "subtype is that of the interaction"
    if event["action"] != action:
        yield f"action is {action}"
    if event["outcome"] != "0":
        yield "outcome is success"


def _agents(event: Event, family: str) -> Iterator[str]:
    _, _, client, server, users = RULES[family]
    typed: list[tuple[tuple[str, str], Event]] = [
        ((coding["system"], coding["code"]), agent) for agent in event["agent"] for coding in agent["type"]["coding"]
    ]
    for name, wanted in (("client", client), ("server", server)):
        ours = [agent for kind, agent in typed if kind == wanted]
        if len(ours) != 1:
            yield f"agent:{name} 1..1"
        if not all(agent.get("network") for agent in ours):
            yield f"agent:{name}.network 1..1"
    people = [(kind, agent) for kind, agent in typed if kind not in (client, server)]
    if len(people) > 1:
        yield "agent:user 0..1"
    for kind, agent in people:
        if kind[0] != PARTICIPATION or kind[1] not in users:
            yield "agent:user.type"
        if agent.get("network"):
            yield "agent:user.network 0..0"
        if agent["requestor"] is not True:
            yield "agent:user.requestor is true"
    if any(agent.get("media") for agent in event["agent"]):
        yield "agent.media 0..0"


def _entities(event: Event, family: str, *, patient: bool) -> Iterator[str]:
    entities = event.get("entity", [])
    requests = [each for each in entities if each["type"]["system"] == REQUEST_ID]
    if len(requests) > 1 or any(not each["what"]["identifier"]["value"] for each in requests):
        yield "entity:transaction 0..1 with an id"
    people = [each for each in entities if (each["type"]["system"], each["type"]["code"]) == (ENTITY, "1")]
    if patient and (len(people) != 1 or people[0]["role"] != {"system": ROLE, "code": "1"}):
        yield "entity:patient 1..1"
    if any(not each["what"]["reference"].startswith("Patient/") for each in people):
        yield "entity:patient.what only Reference(Patient)"
    objects = [each for each in entities if (each["type"]["system"], each["type"]["code"]) == (ENTITY, "2")]
    if len(objects) != 1:
        yield "entity:data or entity:query 1..1"
    for each in objects:
        yield from _query(each) if family == "Query" else _data(each)


def _data(entity: Event) -> Iterator[str]:
    if entity["role"]["system"] != ROLE or entity["role"]["code"] not in ("3", "4", "20"):
        yield "entity:data.role from RestObjectRoles"
    if not entity.get("what"):
        yield "entity:data.what 1..1"


def _query(entity: Event) -> Iterator[str]:
    if entity["role"] != {"system": ROLE, "code": "24"}:
        yield "entity:query.role is Query"
    if not (entity.get("query") or entity.get("_query")):
        yield "entity:query.query 1..1"
    if any(entity.get(name) for name in ("what", "lifecycle", "detail", "name")):
        yield "entity:query has no what, lifecycle, detail"
    if "query" in entity:
        base64.b64decode(entity["query"], validate=True)
