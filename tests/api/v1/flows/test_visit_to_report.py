"""A visit, its invoice, its payment and the report of its month, as the people of a clinic go through it. S2:127-137."""

from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Decimal

import msgspec
import pytest

from api.settings import Settings
from tests.api.v1.practice import Json, Practice, text, tomorrow


@pytest.fixture(scope="module")
def installation(installation: Settings) -> Settings:
    return msgspec.structs.replace(installation, payment_gateway="stub", visit_fee="85.50", currency="EUR")


async def test_a_visit_is_billed_once_paid_and_reported(practice: Practice) -> None:
    doctor_id, patient_id = await practice.doctor(), await practice.patient()
    patient, doctor = await practice.as_patient(patient_id), await practice.as_doctor(doctor_id)
    admin = await practice.as_admin()
    start = tomorrow(days=40)
    body = {"patientId": patient_id, "doctorId": doctor_id, "start": text(start), "confirm": True}
    booked = await patient.post("/appointments", json=body)
    assert booked.status_code == 201, booked.text
    visit = booked.json()["id"]

    answers = await asyncio.gather(*(doctor.post(f"/appointments/{visit}/complete") for _ in range(10)))
    assert Counter(each.status_code for each in answers) == {200: 1, 409: 9}
    done: Json = next(each.json() for each in answers if each.status_code == 200)
    bills = (await patient.get("/billings")).json()["items"]
    assert [(bill["id"], bill["appointmentId"], bill["status"]) for bill in bills] == [
        (done["invoiceId"], visit, "PENDING")
    ]
    assert bills[0]["outstandingAmount"] == {"value": "85.50", "currency": "EUR"}
    told = [each["kind"] for each in (await patient.get("/notifications")).json()["items"]]
    assert told.count("invoice-issued") == 1

    paid = await patient.post(
        f"/billings/{visit}/payments", json={"amount": bills[0]["outstandingAmount"], "token": "ok"}
    )
    assert (paid.status_code, paid.json()["billing"]["status"]) == (201, "PAID"), paid.text
    report = (await admin.get("/reports/billing/monthly", params={"month": text(start)[:7]})).json()
    assert [(each["id"], each["status"]) for each in report["items"]] == [(visit, "PAID")]
    assert Decimal(report["totals"][0]["paidAmount"]["value"]) == Decimal("85.50")

    invoice = (await practice.fhir.get(f"/Invoice/{visit}")).json()
    charge = (await practice.fhir.get(f"/ChargeItem/{visit}")).json()
    encounter = (await practice.fhir.get(f"/Encounter/{visit}")).json()
    assert invoice["lineItem"][0]["chargeItemReference"]["reference"] == f"ChargeItem/{visit}"
    assert charge["context"]["reference"] == f"Encounter/{visit}"
    assert encounter["appointment"][0]["reference"] == f"Appointment/{visit}"
    for resource in (invoice, charge, encounter):
        kind = resource["resourceType"]
        checked = (await practice.fhir.post(f"/{kind}/$validate", json=resource)).json()
        assert not [issue for issue in checked["issue"] if issue["severity"] in ("error", "fatal")], checked
    found = (
        await practice.fhir.get("/Invoice", params={"subject": f"Patient/{patient_id}", "status": "balanced"})
    ).json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == [visit]
