"""From registering to a booked appointment, and how it is cancelled: the process flows of the clinic's documents.

Through HTTP on the real store; what was written is read back as FHIR, checked and searched.
https://hl7.org/fhir/R4/appointment.html
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

import httpx
import pytest

from api.settings import Settings
from api.tokens import mint
from tests.api.v1.clinic import PASSWORD, Clinic
from tests.api.v1.conftest import clinic, installation
from tests.api.v1.practice import Json, Practice, text, tomorrow

__all__ = ("clinic", "installation")


@pytest.fixture
async def practice(clinic: Clinic, installation: Settings) -> Practice:
    found = Practice(clinic, mint(installation, scopes="system/*.cruds", lifetime_seconds=600))
    await found.fill()
    return found


async def registered(practice: Practice) -> tuple[httpx.AsyncClient, str]:
    """Somebody who has registered by themselves: their client, and who they are in the records."""
    email = f"{secrets.token_hex(5)}@example.org"
    body = {"email": email, "password": PASSWORD, "firstName": "Zoë", "lastName": "Berg"}
    assert (await practice.clinic.post("/auth/register", body)).status_code == 202
    token = await practice.clinic.mailbox.token_to(email)
    assert (await practice.clinic.post("/auth/verify-email", {"token": token})).status_code == 204
    login = (await practice.clinic.post("/auth/login", {"email": email, "password": PASSWORD})).json()
    web = practice.web(login["accessToken"])
    return web, str((await web.get("/users/me")).json()["patientId"])


async def free(web: httpx.AsyncClient, doctor: str, start: datetime) -> list[str]:
    query = {"from": text(start), "to": text(start + timedelta(hours=2))}
    return [each["start"] for each in (await web.get(f"/doctors/{doctor}/availability", params=query)).json()["slots"]]


async def told(web: httpx.AsyncClient) -> list[tuple[str, str]]:
    """The kinds and texts of somebody's notifications, newest first."""
    items = (await web.get("/notifications")).json()["items"]
    return [(each["kind"], each["text"]) for each in items]


async def booked(practice: Practice, web: httpx.AsyncClient, patient: str) -> tuple[str, Json]:
    """A doctor found by what they do, a time of theirs held and confirmed."""
    speciality = f"Falconry{secrets.token_hex(3)}"
    await practice.doctor(specialization=[speciality])
    (found,) = (await web.get("/doctors", params={"specialization": speciality})).json()["items"]
    times = await free(web, found["id"], tomorrow())
    assert len(times) == 4
    body = {"patientId": patient, "doctorId": found["id"], "start": times[1], "reason": "Cough"}
    held = await web.post("/appointments", json=body, headers={"idempotency-key": secrets.token_hex(8)})
    assert (held.status_code, held.json()["status"]) == (201, "PENDING"), held.text
    assert await free(web, found["id"], tomorrow()) == [times[0], *times[2:]]
    confirmed = await web.post(f"/appointments/{held.json()['id']}/confirm")
    assert confirmed.json()["status"] == "CONFIRMED"
    return found["id"], confirmed.json()


async def as_fhir(practice: Practice, made: Json, status: str) -> Json:
    """The appointment as FHIR clients see it: valid, and found by its patient, doctor and time."""
    checked = (await practice.fhir.get(f"/Appointment/{made['id']}/$validate")).json()
    assert not [issue for issue in checked["issue"] if issue["severity"] in ("error", "fatal")], checked
    query = {"patient": f"Patient/{made['patientId']}", "practitioner": f"Practitioner/{made['doctorId']}"}
    start = datetime.fromisoformat(made["start"]).isoformat()
    found = (await practice.fhir.get("/Appointment", params={**query, "date": f"eq{start}"})).json()
    (resource,) = [entry["resource"] for entry in found["entry"]]
    assert (resource["id"], resource["status"]) == (made["id"], status)
    return dict(resource)


async def test_somebody_registers_and_books(practice: Practice) -> None:
    web, patient = await registered(practice)
    doctor, made = await booked(practice, web, patient)
    await as_fhir(practice, made, "booked")
    ((kind, said), *_) = await told(await practice.as_doctor(doctor))
    assert kind == "appointment-confirmed"
    assert "Mira Okonkwo" in said
    assert f"{datetime.fromisoformat(made['start']):%-d %b %Y, %H:%M}" in said
    mine = (await web.get("/appointments")).json()["items"]
    assert [each["id"] for each in mine] == [made["id"]]
    audit = (await web.get("/audit", params={"patientId": patient})).json()["items"]
    written = {entry["interaction"]: entry["resources"] for entry in audit}
    assert f"Appointment/{made['id']}/2" in written["appointment-confirm"]


async def test_the_patient_cancels_and_the_doctor_hears_of_it(practice: Practice) -> None:
    web, patient = await registered(practice)
    doctor, made = await booked(practice, web, patient)
    gone = await web.post(f"/appointments/{made['id']}/cancel", json={"reason": "Better again"})
    assert gone.json()["status"] == "CANCELLED"
    resource = await as_fhir(practice, made, "cancelled")
    assert resource["cancelationReason"]["text"] == "Better again"
    ((kind, said), *_) = await told(await practice.as_doctor(doctor))
    assert (kind, "Better again" in said) == ("appointment-cancelled", True)
    other = await practice.patient()
    body = {"patientId": other, "doctorId": doctor, "start": made["start"], "confirm": True}
    assert (await practice.desk.post("/appointments", json=body)).status_code == 201


async def test_the_doctor_cancels_and_the_patient_hears_of_it(practice: Practice) -> None:
    web, patient = await registered(practice)
    doctor, made = await booked(practice, web, patient)
    staff = await practice.as_doctor(doctor)
    gone = await staff.post(f"/appointments/{made['id']}/cancel", json={"reason": "Called away"})
    assert gone.json()["cancellation"]["reasonCode"] == "prov"
    await as_fhir(practice, made, "cancelled")
    ((kind, said), *_) = await told(web)
    assert (kind, "Called away" in said) == ("appointment-cancelled", True)
    assert datetime.fromisoformat(made["start"]) in map(datetime.fromisoformat, await free(web, doctor, tomorrow()))
    kinds = [kind for kind, _ in await told(web)]
    assert "appointment-reminder" not in kinds


async def test_a_parent_books_for_a_child(practice: Practice) -> None:
    web, parent = await registered(practice)
    said = {"relationship": "child", "firstName": "Leo", "lastName": secrets.token_hex(5), "dateOfBirth": "2020-02-01"}
    member = await web.post(f"/patients/{parent}/family", json=said)
    assert member.status_code == 201, member.text
    child = str(member.json()["patientId"])
    doctor, made = await booked(practice, web, child)
    resource = await as_fhir(practice, made, "booked")
    assert resource["participant"][0]["actor"]["reference"] == f"Patient/{child}"
    assert [each["id"] for each in (await web.get("/appointments")).json()["items"]] == [made["id"]]
    ((kind, said_), *_) = await told(await practice.as_doctor(doctor))
    assert (kind, "Leo" in said_) == ("appointment-confirmed", True)
    stranger, _ = await registered(practice)
    assert (await stranger.get(f"/appointments/{made['id']}")).status_code == 404
    assert (await stranger.post(f"/appointments/{made['id']}/cancel", json={})).status_code == 404
    assert (await web.delete(f"/appointments/{made['id']}")).status_code == 204
    assert (await web.delete(f"/patients/{parent}/family/{member.json()['id']}")).status_code == 204
    assert (await web.get(f"/appointments/{made['id']}")).status_code == 404


async def test_a_visit_becomes_a_bill_of_the_same_name(practice: Practice) -> None:
    web, patient = await registered(practice)
    doctor, made = await booked(practice, web, patient)
    done = (await (await practice.as_doctor(doctor)).post(f"/appointments/{made['id']}/complete")).json()
    assert (done["status"], done["encounterId"], done["invoiceId"]) == ("COMPLETED", made["id"], made["id"])
    await as_fhir(practice, made, "fulfilled")
    for kind in ("Encounter", "Invoice"):
        checked = (await practice.fhir.get(f"/{kind}/{made['id']}/$validate")).json()
        assert not [issue for issue in checked["issue"] if issue["severity"] in ("error", "fatal")], checked
    assert (await web.get(f"/billings/{made['id']}")).json()["appointmentId"] == made["id"]
