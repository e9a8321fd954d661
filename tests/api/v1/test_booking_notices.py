"""Who is told of a booking, and of what: the other side at once, the patient again before it starts, nobody in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx

from domain.clinic.booking_desk import Rules
from tests.api.v1.practice import Practice, text, tomorrow


async def kinds(web: httpx.AsyncClient, *, of: str) -> list[str]:
    """The kinds of what somebody was told of an appointment, the oldest first."""
    items = (await web.get("/notifications")).json()["items"]
    return [each["kind"] for each in reversed(items) if each["about"] == [f"Appointment/{of}"]]


async def test_the_other_side_is_told_of_each_step(practice: Practice) -> None:
    name, who = await practice.doctor(), await practice.patient(name=[{"given": ["Leo"], "family": "Ek"}])
    doctor, patient = await practice.as_doctor(name), await practice.as_patient(who)
    start = tomorrow()
    made = (await patient.post("/appointments", json={"patientId": who, "doctorId": name, "start": text(start)})).json()
    address = f"/appointments/{made['id']}"
    await patient.post(f"{address}/confirm")
    await patient.put(address, json={"notes": "Bring the letter"})
    await doctor.post(f"{address}/reschedule", json={"start": text(start + timedelta(hours=1))})
    await patient.post(f"{address}/reschedule", json={"start": text(start + timedelta(hours=2))})
    await doctor.post(f"{address}/cancel", json={"reason": "Called away"})
    assert await kinds(doctor, of=made["id"]) == ["appointment-confirmed", "appointment-rescheduled"]
    told = ["appointment-held", "appointment-rescheduled", "appointment-cancelled"]
    assert await kinds(patient, of=made["id"]) == told
    texts = [each["text"] for each in (await patient.get("/notifications")).json()["items"]]
    assert "Called away" in texts[0]
    assert all("Leo Ek with Mira" in each for each in texts)


@contextmanager
def reminding(practice: Practice, start: datetime) -> Iterator[None]:
    """While inside, who has an appointment at `start` is reminded in some seconds."""
    surface = practice.clinic.app.state.v1
    before = surface._service
    rules = Rules(reminder=start - datetime.now(UTC) - timedelta(seconds=8))
    surface._service = before._replace(desk=before.desk._replace(rules=rules))
    try:
        yield
    finally:
        surface._service = before


async def test_a_patient_is_reminded_of_what_still_takes_place(practice: Practice) -> None:
    name, who = await practice.doctor(), await practice.patient()
    patient = await practice.as_patient(who)
    made = []
    for start in (tomorrow(9), tomorrow(10), tomorrow(11)):
        body = {"patientId": who, "doctorId": name, "start": text(start), "confirm": True}
        with reminding(practice, start):
            made.append((await patient.post("/appointments", json=body)).json())
    kept, moved, gone = made
    with reminding(practice, tomorrow(9)):
        assert (await patient.put(f"/appointments/{kept['id']}", json={"notes": "Fasting"})).status_code == 200
    later = {"start": text(tomorrow(9, days=5))}
    assert (await patient.post(f"/appointments/{moved['id']}/reschedule", json=later)).status_code == 200
    assert (await patient.delete(f"/appointments/{gone['id']}")).status_code == 204
    async with asyncio.timeout(40):
        while await kinds(patient, of=kept["id"]) != ["appointment-reminder"]:
            await asyncio.sleep(0.2)
    await asyncio.sleep(1.5)
    assert [await kinds(patient, of=each["id"]) for each in made] == [["appointment-reminder"], [], []]
