"""What the documents describe, step by step over HTTP on two workers: a prescription with an interaction; a nurse's note."""

from __future__ import annotations

import secrets
from typing import Any

import httpx
import pyotp
import pytest
from pypdfium2 import PdfDocument

from domain.access import Role
from storage.embedded import EmbeddedMongo
from tests.journeys.accounts import add_account, log_in, origin_of
from tests.journeys.processes import Served, connection

Json = dict[str, Any]


class Ward:
    """A patient and who treats them, on a running server."""

    def __init__(self, served: Served, uri: str) -> None:
        self.served, self.uri = served, uri
        self.patient, self.doctor, self.nurse = (f"{kind}{secrets.token_hex(4)}" for kind in "pdn")

    async def fill(self) -> None:
        members = [{"member": {"reference": f"Practitioner/{each}"}} for each in (self.doctor, self.nurse)]
        names = {self.doctor: ("Mira", "Okonkwo"), self.nurse: ("Sven", "Berg")}
        rows: list[Json] = [
            {"resourceType": "Patient", "id": self.patient, "name": [{"given": ["Ana"], "family": "Lindqvist"}]},
            *(
                {
                    "resourceType": "Practitioner",
                    "id": each,
                    "name": [{"given": [names[each][0]], "family": names[each][1]}],
                }
                for each in (self.doctor, self.nurse)
            ),
            {
                "resourceType": "CareTeam",
                "id": f"t{self.patient}",
                "status": "active",
                "subject": {"reference": f"Patient/{self.patient}"},
                "participant": members,
            },
        ]
        async with self.served.client() as fhir:
            for row in rows:
                answer = await fhir.put(f"/{row['resourceType']}/{row['id']}", json=row)
                assert answer.status_code == 201, answer.text

    async def person(self, role: Role, profile: str) -> httpx.AsyncClient:
        secret = None if role == "PATIENT" else pyotp.random_base32()
        email = await add_account(self.served, self.uri, role, profile, secret=secret)
        token = (await log_in(self.served, email, secret))["accessToken"]
        return connection(f"{origin_of(self.served)}/api/v1", {"authorization": f"Bearer {token}"})

    async def valid(self, path: str) -> Json:
        """A resource as FHIR clients see it, which passes validation."""
        async with self.served.client() as fhir:
            found = await fhir.get(f"/{path}")
            assert found.status_code == 200, found.text
            resource: Json = found.json()
            checked = await fhir.post(f"/{resource['resourceType']}/$validate", json=resource)
            issues = [each for each in checked.json()["issue"] if each["severity"] in ("error", "fatal")]
            assert (checked.status_code, issues) == (200, [])
        return resource

    async def found(self, query: str) -> list[str]:
        async with self.served.client() as fhir:
            answer = await fhir.get(f"/{query}")
        assert answer.status_code == 200, answer.text
        return [
            f"{each['resource']['resourceType']}/{each['resource']['id']}" for each in answer.json().get("entry", [])
        ]


@pytest.fixture
async def ward(two_workers: Served, embedded_mongo: EmbeddedMongo) -> Ward:
    found = Ward(two_workers, embedded_mongo.uri)
    await found.fill()
    return found


async def test_a_prescription_meets_an_interaction_is_overridden_and_downloaded(ward: Ward) -> None:
    doctor = await ward.person("DOCTOR", f"Practitioner/{ward.doctor}")
    patient = await ward.person("PATIENT", f"Patient/{ward.patient}")
    async with doctor, patient:
        first = {
            "patientId": ward.patient,
            "medication": {"text": "Clarithromycin", "rxnorm": "21212"},
            "dosage": "500 mg",
        }
        taken = (await doctor.post("/prescriptions", json=first)).json()
        wanted = {**first, "medication": {"text": "Simvastatin"}, "dosage": "20 mg in the evening", "refills": 3}
        refused = await doctor.post("/prescriptions", json=wanted)
        assert (refused.status_code, refused.json()["code"]) == (409, "interaction")
        (alert,) = refused.json()["alerts"]
        assert alert["sources"][0]["url"] == "https://doi.org/10.1136/amiajnl-2011-000612"
        reason = {"alertId": alert["id"], "reasonCode": "MONITORED", "comment": "Three days only"}
        answer = await doctor.post("/prescriptions", json={**wanted, "overrides": [reason]})
        assert answer.status_code == 201, answer.text
        made = answer.json()
        issue = await ward.valid(f"DetectedIssue/{made['issueIds'][0]}")
        assert issue["mitigation"][0]["action"]["text"] == "Three days only"
        assert {each["reference"] for each in issue["implicated"]} == {
            f"MedicationRequest/{each['id']}" for each in (taken, made)
        }
        request = await ward.valid(f"MedicationRequest/{made['id']}")
        assert request["detectedIssue"][0]["reference"] == f"DetectedIssue/{issue['id']}"
        assert await ward.found(f"DetectedIssue?implicated=MedicationRequest/{made['id']}") == [
            f"DetectedIssue/{issue['id']}"
        ]
        assert f"MedicationRequest/{made['id']}" in await ward.found(
            f"MedicationRequest?patient={ward.patient}&status=active"
        )
        page = await patient.get(f"/prescriptions/{made['id']}/download")
        assert page.status_code == 200
        text = PdfDocument(page.content)[0].get_textpage().get_text_range()
        for said in ("Ana Lindqvist", "Mira Okonkwo", "Simvastatin", "20 mg in the evening", "3 of 3 left"):
            assert said in text
        told = (await patient.get("/notifications")).json()["items"]
        assert "prescription-issued" in [each["kind"] for each in told]


async def test_a_nurse_adds_a_note_that_stays(ward: Ward) -> None:
    doctor = await ward.person("DOCTOR", f"Practitioner/{ward.doctor}")
    nurse = await ward.person("NURSE", f"Practitioner/{ward.nurse}")
    patient = await ward.person("PATIENT", f"Patient/{ward.patient}")
    async with doctor, nurse, patient:
        body = {"patientId": ward.patient, "diagnosis": [{"text": "Bronchitis"}], "treatment": "Rest"}
        record = (await doctor.post("/medical-records", json=body)).json()
        path = f"/medical-records/{record['id']}"
        added = await nurse.post(f"{path}/notes", json={"text": "Fever is down to 37.9"})
        assert added.status_code == 201, added.text
        note = f"{path}/notes/{added.json()['id']}"
        assert (await nurse.put(note, json={"text": "No fever"})).status_code == 403
        assert (await nurse.delete(note)).status_code == 403
        assert (await nurse.delete(path)).status_code == 403
        shown = (await patient.get(path)).json()
        assert [(each["text"], each["authorId"]) for each in shown["notes"]] == [("Fever is down to 37.9", ward.nurse)]
        composition = await ward.valid(f"Composition/{added.json()['id']}")
        assert composition["relatesTo"][0]["targetReference"]["reference"] == f"Composition/{record['id']}"
        await ward.valid(f"Composition/{record['id']}")
        await ward.valid(f"Condition/{record['diagnosis'][0]['id']}")
        wanted = f"Composition?related-ref=Composition/{record['id']}&author=Practitioner/{ward.nurse}"
        assert await ward.found(wanted) == [f"Composition/{added.json()['id']}"]
        assert await ward.found(f"Composition?patient={ward.patient}&_content=bronchitis") == [
            f"Composition/{record['id']}"
        ]
