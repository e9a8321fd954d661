"""A small clinic with every kind of relation between people and patients, written through a system client."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from domain.access import Caller
from tests.api.fhir.callers import PROGRAM, person

Json = dict[str, Any]
NOW = datetime.now(UTC)
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"

PATIENTS = {
    "team": "a patient whose care team is on",
    "exteam": "one whose care team has ended",
    "foreign": "one of somebody else",
    "permit": "one who permits by consent",
    "denied": "one of the team who denies by consent",
    "order": "one with a running order",
    "closed": "one with a running order who denies by consent",
    "org": "one whom the clinic manages, without a care team",
}
STAFF = ("DOCTOR", "NURSE", "DIETICIAN", "PHARMACIST", "LAB_TECHNICIAN", "RECEPTIONIST", "ADMIN", "SUPER_ADMIN")


def callers() -> dict[str, Caller]:
    """One member of staff of each role, the patients, a proxy, and the system client that writes everything."""
    found = {"program": PROGRAM}
    for role in STAFF:
        orgs = (
            ("Organization/lab",) if role == "LAB_TECHNICIAN" else ("Organization/rx",) if role == "PHARMACIST" else ()
        )
        orgs = orgs or ("Organization/clinic",)
        found[role] = person(f"a-{role}", role, profiles=(profile(role),), organizations=orgs)
    for name in PATIENTS:
        found[f"patient-{name}"] = person(f"p-{name}", "PATIENT", profiles=(f"Patient/{name}",))
    found["PATIENT"] = found["patient-team"]
    found["proxy"] = person("a-proxy", "PATIENT", profiles=("RelatedPerson/proxy",))
    return found


def profile(role: str) -> str:
    return f"Practitioner/{role.replace('_', '-')}"


def ref(name: str) -> Json:
    return {"reference": name}


def when(days_from: int, days_to: int) -> Json:
    return {
        "start": (NOW + timedelta(days=days_from)).isoformat(timespec="seconds"),
        "end": (NOW + timedelta(days=days_to)).isoformat(timespec="seconds"),
    }


def label(code: str) -> Json:
    return {"system": CONFIDENTIALITY if code in "NRV" else ACT_CODE, "code": code}


def labelled(resource: Json, *codes: str) -> Json:
    return {**resource, "meta": {"security": [label(code) for code in codes]}} if codes else resource


def care_team(patient: str, period: Json) -> Json:
    members = [{"member": ref(profile(role))} for role in ("DOCTOR", "NURSE", "DIETICIAN")]
    return {
        "resourceType": "CareTeam",
        "id": f"team-{patient}",
        "status": "active",
        "subject": ref(f"Patient/{patient}"),
        "period": period,
        "participant": members,
    }


def consent(name: str, patient: str, kind: str, **more: Any) -> Json:
    return {
        "resourceType": "Consent",
        "id": name,
        "status": "active",
        "scope": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]
        },
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": ref(f"Patient/{patient}"),
        "policyRule": {"coding": [{"system": ACT_CODE, "code": "OPTIN"}]},
        "provision": {"type": kind, **more},
    }


def actor(name: str) -> Json:
    role = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "PRCP"}]}
    return {"role": role, "reference": ref(name)}


def observation(patient: str, kind: str, **more: Any) -> Json:
    code = {"lab": "718-7", "vitals": "29463-7"}[kind]
    category = {"lab": "laboratory", "vitals": "vital-signs"}[kind]
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": CATEGORY, "code": category}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": ref(f"Patient/{patient}"),
        **more,
    }


def of_type(resource_type: str, patient: str) -> Json:
    """A small valid resource of a type in a patient's record."""
    subject = {"subject": ref(f"Patient/{patient}")}
    code = {"coding": [{"system": "http://example.org/codes", "code": "x1"}]}
    bodies: dict[str, Json] = {
        "Condition": {**subject, "code": code},
        "AllergyIntolerance": {
            "patient": ref(f"Patient/{patient}"),
            "code": code,
            "clinicalStatus": {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}
                ]
            },
        },
        "Immunization": {
            "patient": ref(f"Patient/{patient}"),
            "status": "completed",
            "vaccineCode": code,
            "occurrenceDateTime": "2026-01-01",
        },
        "Procedure": {**subject, "status": "completed", "code": code},
        "Encounter": {
            **subject,
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        },
        "NutritionOrder": {
            "patient": ref(f"Patient/{patient}"),
            "status": "active",
            "intent": "plan",
            "dateTime": "2026-01-01",
        },
        "Composition": {
            **subject,
            "status": "final",
            "type": code,
            "date": "2026-01-01",
            "author": [ref("Practitioner/DOCTOR")],
            "title": "note",
        },
        "MedicationRequest": {
            **subject,
            "status": "completed",
            "intent": "order",
            "medicationCodeableConcept": code,
        },
        "MedicationDispense": {**subject, "status": "completed", "medicationCodeableConcept": code},
        "MedicationStatement": {**subject, "status": "completed", "medicationCodeableConcept": code},
        "DetectedIssue": {"patient": ref(f"Patient/{patient}"), "status": "final"},
        "ServiceRequest": {**subject, "status": "completed", "intent": "order", "code": code},
        "DiagnosticReport": {
            **subject,
            "status": "final",
            "code": code,
            "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "LAB"}]}],
        },
        "DocumentReference": {
            **subject,
            "status": "current",
            "content": [
                {"attachment": {"contentType": "text/plain", "url": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"}}
            ],
        },
        "Coverage": {
            "status": "active",
            "beneficiary": ref(f"Patient/{patient}"),
            "payor": [ref("Organization/payer")],
        },
        "Invoice": {**subject, "status": "issued"},
        "Appointment": {
            "status": "cancelled",
            "participant": [{"actor": ref(f"Patient/{patient}"), "status": "accepted"}],
        },
        "Consent": consent(
            "x", patient, "permit", **{"class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Basic"}]}
        ),
        "Provenance": {
            "target": [ref(f"Patient/{patient}")],
            "recorded": "2026-01-01T00:00:00Z",
            "agent": [{"who": ref("Practitioner/DOCTOR")}],
        },
    }
    if resource_type == "Observation-lab":
        return observation(patient, "lab")
    if resource_type == "Observation-early":
        return observation(patient, "lab", status="preliminary")
    if resource_type == "Observation-vitals":
        return observation(patient, "vitals", status="preliminary")
    if resource_type == "DiagnosticReport-early":
        return {**of_type("DiagnosticReport", patient), "status": "preliminary"}
    if resource_type == "DiagnosticReport-image":
        report = of_type("DiagnosticReport", patient)
        del report["category"]
        return report
    return {"resourceType": resource_type, **bodies[resource_type]}


async def build(program: httpx.AsyncClient) -> None:
    """Write the people and what relates them."""
    rows: list[Json] = [
        {"resourceType": "Patient", "id": name, "name": [{"family": f"Secret{name}", "given": [f"Inner{name}"]}]}
        for name in PATIENTS
    ]
    rows[list(PATIENTS).index("org")]["managingOrganization"] = ref("Organization/clinic")
    rows.append(care_team("team", when(-10, 10)))
    rows.append(care_team("exteam", when(-10, -1)))
    rows.append(care_team("denied", when(-10, 10)))
    actors = [
        actor(profile(role))
        for role in ("DOCTOR", "NURSE", "DIETICIAN", "PHARMACIST", "LAB_TECHNICIAN", "RECEPTIONIST")
    ]
    rows.append(consent("permit-1", "permit", "permit", actor=actors, period=when(-5, 5)))
    rows.append(consent("deny-1", "denied", "deny"))
    rows.append(consent("deny-2", "closed", "deny"))
    for patient in ("order", "closed"):
        asked = {"id": f"lab-{patient}", "status": "active", "performer": [ref("Organization/lab")]}
        prescribed = {
            "id": f"rx-{patient}",
            "status": "active",
            "dispenseRequest": {"performer": ref("Organization/rx")},
        }
        rows.append({**of_type("ServiceRequest", patient), **asked})
        rows.append({**of_type("MedicationRequest", patient), **prescribed})
    rows.append(
        {
            "resourceType": "RelatedPerson",
            "id": "proxy",
            "active": True,
            "patient": ref("Patient/team"),
            "period": when(-5, 5),
        }
    )
    for row in rows:
        answer = await program.put(f"{row['resourceType']}/{row['id']}", json=row)
        assert answer.status_code == 201, answer.text
