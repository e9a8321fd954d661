"""Inquiries over HTTP: asked by anybody, told to the dieticians, answered once, and seen by nobody else."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from tests.api.v1.clinic import ORIGIN, Clinic, bearer

ASKED = {
    "name": "Zoë Chalmers",
    "email": "zoe@example.org",
    "phone": "+41 44 555 01 00",
    "birthDate": "1990-05-04",
    "message": "I would like to eat better.",
}


@pytest.fixture(scope="module")
async def dietician(clinic: Clinic) -> Any:
    person = await clinic.person("DIETICIAN")
    token = (await clinic.login(person))["accessToken"]
    return person, token


def web(clinic: Clinic, token: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(clinic.app)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url=f"{ORIGIN}/api/v1", headers=bearer(token))


async def asked(clinic: Clinic, network: str, **given: Any) -> str:
    async with clinic.elsewhere(network) as stranger:
        answer = await stranger.post("/inquiries", json={**ASKED, **given})
    assert answer.status_code == 201, answer.text
    assert set(answer.json()) == {"id", "receivedAt"}
    return str(answer.json()["id"])


async def test_an_inquiry_reaches_the_dietician_with_a_link_and_becomes_a_patient(
    clinic: Clinic, dietician: Any, program: str
) -> None:
    person, token = dietician
    inquiry = await asked(clinic, "10.9.0.1")
    letter = await clinic.mailbox.letter_to(person.email)
    assert letter["Subject"] == "News from your clinic"
    assert "Chalmers" not in letter.get_content()
    link = re.search(r"http\S+/patients/new\?inquiry=(\S+)", letter.get_content())
    assert link is not None
    assert link[1] == inquiry
    async with web(clinic, token) as mine:
        (told,) = [each for each in (await mine.get("/notifications")).json()["items"] if inquiry in each["about"][0]]
        assert told["kind"] == "inquiry-received"
        shown = (await mine.get(f"/inquiries/{inquiry}")).json()
        assert {name: shown[name] for name in ASKED} == ASKED
        assert (shown["status"], shown["patientId"]) == ("OPEN", None)
        made = await mine.post(
            "/patients",
            json={"firstName": "Zoë", "lastName": "Chalmers", "email": ASKED["email"], "dateOfBirth": "1990-05-04"},
        )
        assert made.status_code == 201, made.text
        patient = made.json()["id"]
        closed = await mine.post(f"/inquiries/{inquiry}/close", json={"patientId": patient})
        assert (closed.json()["status"], closed.json()["patientId"]) == ("ACCEPTED", patient)
        again = await mine.post(f"/inquiries/{inquiry}/close", json={"reason": "twice"})
        assert (again.status_code, again.json()["code"]) == (409, "already_closed")
        assert inquiry not in [each["id"] for each in (await mine.get("/inquiries")).json()["items"]]
        everything = (await mine.get("/inquiries", params={"status": "all"})).json()["items"]
        assert inquiry in [each["id"] for each in everything]
    async with clinic.fhir(program) as fhir:
        task = (await fhir.get(f"Task/{inquiry}")).json()
        assert (task["status"], task["focus"]["reference"]) == ("completed", f"Patient/{patient}")
        assert (await fhir.post("Task/$validate", json=task)).json()["issue"][0]["severity"] == "information"
        found = (await fhir.get("Task", params={"code": "urn:chartvault:task|inquiry", "status": "completed"})).json()
        assert inquiry in [entry["resource"]["id"] for entry in found["entry"]]


async def test_inquiries_are_for_who_answers_them(clinic: Clinic, program: str) -> None:
    inquiry = await asked(clinic, "10.9.0.2")
    for role in ("PATIENT", "DOCTOR", "NURSE"):
        async with web(clinic, await clinic.token(role)) as other:
            for answer in (
                await other.get("/inquiries"),
                await other.get(f"/inquiries/{inquiry}"),
                await other.post(f"/inquiries/{inquiry}/close", json={}),
            ):
                assert (answer.status_code, answer.json()["code"]) == (403, "role_required")
            assert (await other.get(f"{ORIGIN}/fhir/Task/{inquiry}")).status_code in (403, 404)
    async with web(clinic, await clinic.token("RECEPTIONIST")) as desk:
        assert (await desk.get(f"/inquiries/{inquiry}")).status_code == 200
        declined = await desk.post(f"/inquiries/{inquiry}/close", json={"reason": "Moved away"})
        assert (declined.json()["status"], declined.json()["reason"]) == ("DECLINED", "Moved away")


async def test_a_task_that_is_no_inquiry_is_not_opened_by_this_way(
    clinic: Clinic, dietician: Any, program: str
) -> None:
    task = {"resourceType": "Task", "id": "t-other", "status": "requested", "intent": "order"}
    async with clinic.fhir(program) as fhir:
        assert (await fhir.put("Task/t-other", json=task)).status_code == 201
    async with web(clinic, dietician[1]) as mine:
        assert (await mine.get("/inquiries/t-other")).status_code == 404
        assert (await mine.post("/inquiries/t-other/close", json={})).status_code == 404


async def test_one_network_cannot_flood_the_clinic(clinic: Clinic) -> None:
    for _ in range(5):
        await asked(clinic, "10.9.0.3")
    async with clinic.elsewhere("10.9.0.3") as stranger:
        statuses = [(await stranger.post("/inquiries", json=ASKED)).status_code for _ in range(3)]
    assert 429 in statuses
    await asked(clinic, "10.9.0.4")


@pytest.mark.parametrize(
    "given", [{"email": "nobody"}, {"name": ""}, {"name": "a\r\nBcc: b"}, {"message": "x" * 2_001}, {"role": "ADMIN"}]
)
async def test_what_is_not_an_inquiry_is_refused(clinic: Clinic, given: dict[str, str]) -> None:
    async with clinic.elsewhere("10.9.0.5") as stranger:
        assert (await stranger.post("/inquiries", json={**ASKED, **given})).status_code in (400, 422)
