"""Dispensing and refills over /api/v1: never more than a prescription allows."""

from __future__ import annotations

import asyncio
import os

import pytest

from api.settings import Settings
from api.tokens import mint
from tests.api.v1.clinic import Clinic
from tests.api.v1.surgery import Surgery

ROUNDS = int(os.environ.get("CHARTVAULT_ROUNDS", "5"))


@pytest.fixture(scope="module")
async def surgery(clinic: Clinic, installation: Settings) -> Surgery:
    return await Surgery(clinic, mint(installation, scopes="system/*.cruds", lifetime_seconds=600)).open()


async def test_three_refills_are_dispensed_and_the_fourth_is_refused(surgery: Surgery) -> None:
    made = await surgery.prescribe(refills=3)
    path = f"/prescriptions/{made['id']}"
    left = []
    for _ in range(3):
        answer = await surgery.pharmacist.post(f"{path}/dispense", json={"quantity": "28", "unit": "tablets"})
        assert answer.status_code == 201, answer.text
        left.append(answer.json()["refillsRemaining"])
    assert left == [2, 1, 0]
    fourth = await surgery.pharmacist.post(f"{path}/dispense", json={})
    assert (fourth.status_code, fourth.json()["code"]) == (409, "no_refills_left")
    assert (await surgery.patient_.get(path)).json()["refillsRemaining"] == 0
    found = await surgery.fhir(f"MedicationDispense?prescription=MedicationRequest/{made['id']}")
    assert found["total"] == 3
    dispense = found["entry"][0]["resource"]
    assert (dispense["quantity"]["value"], dispense["type"]["coding"][0]["code"]) == (28, "RF")


async def test_the_first_fill_does_not_count_as_a_refill_and_comes_once(surgery: Surgery) -> None:
    made = await surgery.prescribe(refills=1)
    path = f"/prescriptions/{made['id']}/dispense"
    assert (await surgery.pharmacist.post(path, json={"first": True})).json()["refillsRemaining"] == 1
    again = await surgery.pharmacist.post(path, json={"first": True})
    assert (again.status_code, again.json()["code"]) == (409, "already_filled")
    assert (await surgery.pharmacist.post(path, json={})).json()["refillsRemaining"] == 0


async def test_ten_at_once_dispense_exactly_three(surgery: Surgery) -> None:
    for _ in range(ROUNDS):
        made = await surgery.prescribe(refills=3)
        path = f"/prescriptions/{made['id']}/dispense"
        answers = await asyncio.gather(*(surgery.pharmacist.post(path, json={}) for _ in range(10)))
        assert sorted(each.status_code for each in answers) == [201] * 3 + [409] * 7
        found = await surgery.fhir(f"MedicationDispense?prescription=MedicationRequest/{made['id']}")
        assert found["total"] == 3


async def test_nothing_is_dispensed_from_a_prescription_that_was_stopped(surgery: Surgery) -> None:
    made = await surgery.prescribe(refills=3)
    await surgery.doctor_.delete(f"/prescriptions/{made['id']}")
    other = await surgery.prescribe()  # the pharmacy still knows the patient
    assert other["status"] == "ACTIVE"
    answer = await surgery.pharmacist.post(f"/prescriptions/{made['id']}/dispense", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "prescription_not_active")


async def test_a_request_is_approved_by_the_doctor_and_adds_refills_once(surgery: Surgery) -> None:
    made = await surgery.prescribe()
    path = f"/prescriptions/{made['id']}"
    asked = await surgery.patient_.post(f"{path}/refill-requests", json={"comment": "Going away"})
    assert (asked.status_code, asked.json()["status"]) == (201, "REQUESTED")
    twice = await surgery.patient_.post(f"{path}/refill-requests", json={})
    assert (twice.status_code, twice.json()["code"]) == (409, "refill_requested")
    request = f"{path}/refill-requests/{asked.json()['id']}"
    for who, status in [
        (surgery.patient_, 403),
        (surgery.nurse, 403),
        (surgery.pharmacist, 403),
        (surgery.stranger, 404),
    ]:
        assert (await who.post(f"{request}/approve", json={})).status_code == status
    approved = await surgery.doctor_.post(f"{request}/approve", json={"refills": 2})
    assert (approved.status_code, approved.json()["status"]) == (200, "APPROVED")
    late = await surgery.doctor_.post(f"{request}/deny", json={"reason": "No"})
    assert (late.status_code, late.json()["code"]) == (409, "already_decided")
    shown = (await surgery.patient_.get(path)).json()
    assert (shown["refills"], shown["refillsRemaining"], shown["version"]) == (2, 2, 2)
    listed = (await surgery.patient_.get(f"{path}/refill-requests")).json()["items"]
    assert [(each["status"], each["comment"]) for each in listed] == [("APPROVED", "Going away")]
    task = await surgery.fhir(f"Task/{asked.json()['id']}")
    assert (task["status"], task["for"]["reference"]) == ("completed", f"Patient/{surgery.patient}")
    for who, kind in [(surgery.doctor_, "refill-requested"), (surgery.patient_, "refill-approved")]:
        told = (await who.get("/notifications")).json()["items"]
        assert [each["text"] for each in told if each["kind"] == kind] == ["Amoxicillin"]


async def test_a_denied_request_says_why_and_changes_nothing(surgery: Surgery) -> None:
    made = await surgery.prescribe()
    path = f"/prescriptions/{made['id']}"
    asked = (await surgery.patient_.post(f"{path}/refill-requests", json={})).json()
    answer = await surgery.doctor_.post(f"{path}/refill-requests/{asked['id']}/deny", json={"reason": "See me first"})
    assert (answer.status_code, answer.json()["status"], answer.json()["reason"]) == (200, "DENIED", "See me first")
    assert (await surgery.patient_.get(path)).json()["version"] == 1
    assert (await surgery.patient_.post(f"{path}/refill-requests", json={})).status_code == 201


async def test_only_pharmacists_dispense_and_only_who_sees_it_asks(surgery: Surgery) -> None:
    path = f"/prescriptions/{(await surgery.prescribe(refills=1))['id']}"
    for who, dispense, ask in [
        (surgery.doctor_, 403, 201),
        (surgery.nurse, 403, 409),
        (surgery.patient_, 403, 409),
        (surgery.stranger, 403, 404),
        (surgery.boss, 403, 403),
    ]:
        assert (await who.post(f"{path}/dispense", json={})).status_code == dispense
        assert (await who.post(f"{path}/refill-requests", json={})).status_code == ask


async def test_a_dispense_written_as_fhir_counts_too(surgery: Surgery) -> None:
    made = await surgery.prescribe(refills=1)
    dispense = {
        "resourceType": "MedicationDispense",
        "status": "completed",
        "subject": {"reference": f"Patient/{surgery.patient}"},
        "medicationCodeableConcept": {"text": "Amoxicillin"},
        "authorizingPrescription": [{"reference": f"MedicationRequest/{made['id']}"}],
    }
    assert (await surgery.admin.post("/fhir/MedicationDispense", json=dispense)).status_code == 201
    answer = await surgery.pharmacist.post(f"/prescriptions/{made['id']}/dispense", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "no_refills_left")
