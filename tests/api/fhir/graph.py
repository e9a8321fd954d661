"""A few linked resources to search in, and how to ask: patients, observations, an organization above another."""

from __future__ import annotations

from typing import Any

import httpx

Json = dict[str, Any]
LOINC = "http://loinc.org"


def ref(target: str) -> Json:
    return {"reference": target}


def observation(name: str, code: str, subject: str | None, **more: Any) -> Json:
    about = {"subject": ref(subject)} if subject else {}
    coded = {"coding": [{"system": LOINC, "code": code}]}
    return {"resourceType": "Observation", "id": name, "status": "final", "code": coded, **about, **more}


GRAPH: list[Json] = [
    {"resourceType": "Organization", "id": "top", "name": "Top Trust"},
    {"resourceType": "Organization", "id": "mid", "name": "Middle House", "partOf": ref("Organization/top")},
    {"resourceType": "Organization", "id": "low", "name": "Gastro Ward", "partOf": ref("Organization/mid")},
    {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Careful"}], "identifier": [{"value": "same"}]},
    {
        "resourceType": "Patient",
        "id": "anna",
        "name": [{"family": "Almeida", "given": ["Anna"]}],
        "gender": "female",
        "birthDate": "1980-02-29",
        "identifier": [{"system": "urn:mrn", "value": "A1"}],
        "managingOrganization": ref("Organization/low"),
        "generalPractitioner": [ref("Practitioner/dr")],
    },
    {"resourceType": "Patient", "id": "ben", "name": [{"family": "Brook", "given": ["Ben"]}], "gender": "male"},
    {"resourceType": "Patient", "id": "cat", "name": [{"family": "Cole"}], "identifier": [{"value": "same"}]},
    {"resourceType": "Device", "id": "pump", "identifier": [{"value": "same"}]},
    observation("a1", "1111-1", "Patient/anna", performer=[ref("Practitioner/dr")]),
    observation("a2", "2222-2", "Patient/anna", hasMember=[ref("Observation/a1")]),
    observation("b1", "1111-1", "Patient/ben"),
    observation("c1", "2222-2", "Patient/cat"),
    observation("d1", "1111-1", "Device/pump", performer=[ref("Patient/ben")]),
    {
        "resourceType": "Provenance",
        "id": "p1",
        "target": [ref("Observation/a1")],
        "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"who": ref("Practitioner/dr")}],
    },
    {
        "resourceType": "Encounter",
        "id": "visit",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": ref("Patient/anna"),
    },
    {
        "resourceType": "Condition",
        "id": "cough",
        "subject": ref("Patient/anna"),
        "encounter": ref("Encounter/visit"),
        "code": {"text": "cough"},
    },
    {
        "resourceType": "List",
        "id": "watch",
        "status": "current",
        "mode": "working",
        "entry": [{"item": ref("Patient/ben")}, {"item": ref("Patient/cat")}, {"item": ref("Observation/b1")}],
    },
]


async def load(fhir: httpx.AsyncClient, resources: list[Json] = GRAPH) -> None:
    """Store everything in one transaction."""
    entries = [
        {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
        for each in resources
    ]
    answer = await fhir.post("/", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 200, answer.text


async def ask(fhir: httpx.AsyncClient, query: str, status: int = 200, **headers: str) -> Json:
    """The Bundle, or the OperationOutcome, a search answers."""
    answer = await fhir.get(query, headers=headers)
    assert answer.status_code == status, answer.text
    body: Json = answer.json()
    return body


def names(bundle: Json, mode: str = "match") -> list[str]:
    """The ids of the entries of one mode, in order."""
    return [row["resource"]["id"] for row in bundle.get("entry", []) if row["search"]["mode"] == mode]


def link(bundle: Json, relation: str) -> str | None:
    return next((row["url"] for row in bundle["link"] if row["relation"] == relation), None)
