"""Appointment/$find, $hold and $book over HTTP, by the people who book: https://profiles.ihe.net/ITI/Scheduling/"""

from __future__ import annotations

from datetime import datetime, timedelta

import httpx
import pytest

from tests.api.v1.practice import ALWAYS, Json, Practice, text, tomorrow


class Client:
    """A FHIR client of somebody."""

    def __init__(self, web: httpx.AsyncClient) -> None:
        self.web = web

    async def find(self, start: datetime, hours: int = 1, **more: object) -> Json:
        query = {"start": text(start), "end": text(start + timedelta(hours=hours)), **more}
        answer = await self.web.get("/Appointment/$find", params=query)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def do(self, operation: str, reference: str | None = None, **more: Json) -> httpx.Response:
        rows = [{"name": name.replace("_", "-"), **value} for name, value in more.items()]
        if reference is not None:
            rows.append({"name": "appointment-reference", "valueReference": {"reference": reference}})
        return await self.web.post(f"/Appointment/${operation}", json={"resourceType": "Parameters", "parameter": rows})


def resources(bundle: Json) -> list[Json]:
    return [entry["resource"] for entry in bundle.get("entry", [])]


def issue(answer: httpx.Response) -> tuple[str, str]:
    found = answer.json()["issue"][0]
    return found["severity"], found["code"]


@pytest.fixture
async def patient(practice: Practice) -> str:
    return await practice.patient()


@pytest.fixture
async def client(practice: Practice, patient: str) -> Client:
    return Client(practice.clinic.fhir(await practice.clinic.token("PATIENT", profiles=(f"Patient/{patient}",))))


async def test_a_patient_finds_holds_and_books(practice: Practice, client: Client, patient: str) -> None:
    doctor, start = await practice.doctor(), tomorrow()
    bundle = await client.find(start, practitioner=f"Practitioner/{doctor}")
    proposed = resources(bundle)
    assert (bundle["type"], [each["status"] for each in proposed]) == ("searchset", ["proposed", "proposed"])
    assert [datetime.fromisoformat(each["start"]) for each in proposed] == [start, start + timedelta(minutes=30)]
    offer = f"Appointment/{proposed[0]['id']}"
    held = await client.do("hold", offer)
    assert held.status_code == 200, held.text
    (appointment,) = resources(held.json())
    assert appointment["status"] == "pending"
    assert len(resources(await client.find(start, practitioner=doctor))) == 1
    again = await client.do("hold", offer)
    assert (again.status_code, issue(again)) == (409, ("fatal", "not-found")), again.text
    booked = await client.do("book", offer)
    assert booked.status_code == 200, booked.text
    assert [(each["id"], each["status"]) for each in resources(booked.json())] == [(appointment["id"], "booked")]
    shown = (await practice.desk.get(f"/appointments/{appointment['id']}")).json()
    assert (shown["status"], shown["patientId"], shown["doctorId"]) == ("CONFIRMED", patient, doctor)


async def test_a_hold_is_booked_by_its_own_reference(practice: Practice, client: Client) -> None:
    doctor, start = await practice.doctor(), tomorrow()
    offer = resources(await client.find(start, practitioner=doctor))[0]["id"]
    held = resources((await client.do("hold", offer)).json())[0]
    booked = await client.do("book", f"Appointment/{held['id']}")
    assert resources(booked.json())[0]["status"] == "booked"
    assert (await client.do("hold", held["id"])).status_code == 409


async def test_the_desk_books_for_somebody_and_a_stranger_for_nobody(
    practice: Practice, client: Client, patient: str
) -> None:
    doctor, start = await practice.doctor(), tomorrow()
    organization = f"Organization/{practice.organization}"
    desk = Client(practice.clinic.fhir(await practice.clinic.token("RECEPTIONIST", organizations=(organization,))))
    offer = resources(await desk.find(start, practitioner=doctor))[0]["id"]
    unnamed = await desk.do("book", offer)
    assert (unnamed.status_code, issue(unnamed)) == (400, ("error", "required"))
    named = {"patient_reference": {"valueReference": {"reference": f"Patient/{patient}"}}}
    stranger = await practice.patient()
    other = Client(practice.clinic.fhir(await practice.clinic.token("PATIENT", profiles=(f"Patient/{stranger}",))))
    assert (await other.do("book", offer, **named)).status_code == 404
    booked = await desk.do("book", offer, **named)
    assert resources(booked.json())[0]["participant"][0]["actor"]["reference"] == f"Patient/{patient}"
    busy = await client.find(start, practitioner=await practice.doctor(), **{"patient-reference": f"Patient/{patient}"})
    assert [datetime.fromisoformat(each["start"]) for each in resources(busy)] == [start + timedelta(minutes=30)]
    refused = await other.web.get(
        "/Appointment/$find",
        params={"start": text(start), "end": text(tomorrow(11)), "patient-reference": f"Patient/{patient}"},
    )
    assert refused.status_code == 404


async def test_a_whole_appointment_is_booked_moved_and_cancelled(
    practice: Practice, client: Client, patient: str
) -> None:
    doctor, start = await practice.doctor(), tomorrow()
    actors = (f"Patient/{patient}", f"Practitioner/{doctor}")
    wanted: Json = {
        "resourceType": "Appointment",
        "status": "proposed",
        "start": text(start),
        "end": text(start + timedelta(minutes=20)),
        "participant": [{"actor": {"reference": each}, "status": "accepted"} for each in actors],
    }
    booked = await client.do("book", appt_resource={"resource": wanted})
    assert booked.status_code == 200, booked.text
    (stored,) = resources(booked.json())
    assert stored["status"] == "booked"
    times = {"start": text(start + timedelta(hours=2)), "end": text(start + timedelta(hours=2, minutes=20))}
    (moved,) = resources((await client.do("book", appt_resource={"resource": {**stored, **times}})).json())
    assert (moved["id"], datetime.fromisoformat(moved["start"])) == (stored["id"], start + timedelta(hours=2))
    gone = await client.do("book", appt_resource={"resource": {**moved, "status": "cancelled"}})
    assert resources(gone.json())[0]["status"] == "cancelled"
    assert len(resources(await client.find(start + timedelta(hours=2), practitioner=doctor))) == 2


async def test_times_are_found_by_specialty_and_organization_in_their_order(practice: Practice, client: Client) -> None:
    organization, start = f"Organization/{practice.organization}", tomorrow()
    hours = {**ALWAYS, "slotMinutes": 60}
    heart = await practice.doctor(specialization=["Cardiology"], workSchedule=hours)
    await practice.doctor(specialization=["Dermatology"], workSchedule=hours)
    cardiology = "http://snomed.info/sct|394579002"
    found = resources(await client.find(start, 2, organization=organization, specialty=cardiology))
    assert {each["participant"][-1]["actor"]["reference"] for each in found} == {f"Practitioner/{heart}"}
    everybody = resources(await client.find(start, 2, organization=organization))
    starts = [datetime.fromisoformat(each["start"]) for each in everybody]
    assert (len(everybody), starts) == (4, sorted(starts))
    assert len(resources(await client.find(start, 2, organization=organization, _count=3))) == 3
    for body in ({"start": text(start)}, {"start": "tomorrow", "end": text(start)}, {"location-string": "x"}):
        assert (await client.web.get("/Appointment/$find", params=body)).status_code == 400
    long = {"start": text(start), "end": text(start + timedelta(days=80))}
    assert (await client.web.get("/Appointment/$find", params=long)).status_code == 422
    assert (await client.do("hold", "Appointment/nobody")).status_code == 404
    assert (await client.do("hold", "free.1.1.nobody", patient_reference={})).status_code == 400
    wrong = await client.web.post("/Patient/$book", json={"resourceType": "Parameters"})
    assert wrong.status_code == 404
    statement = (await client.web.get("/metadata")).json()["rest"][0]["resource"]
    names = next(each["operation"] for each in statement if each["type"] == "Appointment")
    assert {each["name"] for each in names} >= {"find", "hold", "book"}
