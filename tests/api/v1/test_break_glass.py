"""Emergency access over HTTP: opened with a fresh second factor, told, reviewed, and over by itself."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from pymongo import MongoClient

from api.settings import Settings
from tests.api.v1.clinic import Clinic, bearer

ORGANIZATION = "Organization/emergency"
REASON = "unconscious in the corridor, no relative reachable"
NEVER_PRINTED = "unconscious"


@pytest.fixture
async def patient(clinic: Clinic, program: str) -> str:
    """The id of a new patient."""
    name = secrets.token_hex(6)
    async with clinic.fhir(program) as client:
        answer = await client.put(f"Patient/{name}", json={"resourceType": "Patient", "id": name})
    assert answer.status_code == 201
    return name


async def doctor(clinic: Clinic) -> str:
    return await clinic.token("DOCTOR", organizations=(ORGANIZATION,))


async def test_a_doctor_opens_the_glass_in_one_request(clinic: Clinic, patient: str) -> None:
    token = await doctor(clinic)
    answer = await clinic.post("/break-glass", {"patientId": patient, "reason": REASON}, token)
    assert answer.status_code == 201, answer.text
    grant = answer.json()
    assert grant["active"] is True
    until, since = datetime.fromisoformat(grant["until"]), datetime.fromisoformat(grant["since"])
    assert until - since == timedelta(minutes=15)
    assert await clinic.service.grants.active(grant["userId"], patient)
    assert not await clinic.service.grants.active(grant["userId"], "another")
    mine = (await clinic.web.get("/break-glass", headers=bearer(token))).json()["items"]
    assert [each["id"] for each in mine] == [grant["id"]]


async def test_it_is_over_by_itself(clinic: Clinic, patient: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"patientId": patient, "reason": REASON, "minutes": 60}
    grant = (await clinic.post("/break-glass", body, await doctor(clinic))).json()
    book: Any = clinic.service.grants
    for minutes, active in ((59, True), (61, False)):
        later = datetime.now(UTC) + timedelta(minutes=minutes)
        monkeypatch.setattr(book, "_clock", lambda later=later: later)
        assert await book.active(grant["userId"], patient) is active


async def test_one_request_of_fhir_opens_the_glass_by_header(clinic: Clinic, patient: str) -> None:
    token = await doctor(clinic)
    headers = {"x-purpose-of-use": "BTG", "x-break-glass-reason": quote("Zoë ist bewusstlos, keine Angehörigen")}
    async with clinic.fhir(token, **headers) as client:
        assert (await client.get(f"Observation?patient={patient}")).status_code == 200
        assert (await client.get(f"Patient/{patient}")).status_code == 200
        assert (await client.get("Patient?name=x")).status_code == 400
    mine = (await clinic.web.get("/break-glass", headers=bearer(token))).json()["items"]
    assert [(each["patientId"], each["reason"]) for each in mine] == [
        (patient, "Zoë ist bewusstlos, keine Angehörigen")
    ]


async def test_what_was_hidden_is_seen_for_the_time_of_the_grant_and_not_longer(
    clinic: Clinic, patient: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await doctor(clinic)
    emergency = {"x-purpose-of-use": "BTG"}
    async with clinic.fhir(token) as client:
        for headers in ({}, emergency):
            assert (await client.get(f"Patient/{patient}", headers=headers)).status_code == 404
        await clinic.post("/break-glass", {"patientId": patient, "reason": REASON}, token)
        assert (await client.get(f"Patient/{patient}")).status_code == 404, "a use that does not say so"
        assert (await client.get(f"Patient/{patient}", headers=emergency)).status_code == 200
        found = (await client.get(f"Patient?_id={patient}", headers=emergency)).json()["entry"]
        assert [row["resource"]["id"] for row in found] == [patient]
        book: Any = clinic.service.grants
        monkeypatch.setattr(book, "_clock", lambda: datetime.now(UTC) + timedelta(minutes=16))
        assert (await client.get(f"Patient/{patient}", headers=emergency)).status_code == 404


async def test_a_purpose_that_is_no_code_is_refused(clinic: Clinic, patient: str) -> None:
    async with clinic.fhir(await doctor(clinic), **{"x-purpose-of-use": "because"}) as client:
        assert (await client.get(f"Patient/{patient}")).status_code == 400


async def test_an_old_second_factor_must_be_renewed(
    clinic: Clinic, patient: str, mongo_admin: MongoClient[dict[str, Any]], installation: Settings
) -> None:
    person = await clinic.person("DOCTOR")
    token = (await clinic.login(person))["accessToken"]
    sessions = mongo_admin[installation.database]["sessions"]
    kind = type(sessions.find_one({"account": person.account.id})["second_factor_at"])  # type: ignore[index]
    old = datetime.now(UTC) - timedelta(minutes=6)
    value = old if kind is datetime else kind(old.timestamp())
    sessions.update_one({"account": person.account.id}, {"$set": {"second_factor_at": value}})
    answer = await clinic.post("/break-glass", {"patientId": patient, "reason": REASON}, token)
    assert answer.status_code == 401
    assert answer.json()["code"] == "step_up_required"
    assert "insufficient_user_authentication" in answer.headers["www-authenticate"]


@pytest.mark.parametrize("role", ["RECEPTIONIST", "ADMIN", "PATIENT"])
async def test_who_treats_nobody_is_refused(clinic: Clinic, patient: str, role: Any) -> None:
    body = {"patientId": patient, "reason": REASON}
    assert (await clinic.post("/break-glass", body, await clinic.token(role))).status_code == 403


async def test_what_says_too_little_is_refused(clinic: Clinic, patient: str) -> None:
    token = await doctor(clinic)
    bodies: list[tuple[dict[str, Any], int]] = [
        ({"patientId": patient, "reason": "hurry"}, 400),
        ({"patientId": patient, "reason": REASON, "minutes": 120}, 400),
        ({"patientId": "nobody", "reason": REASON}, 404),
        ({"patientId": patient}, 422),
    ]
    for body, status in bodies:
        answer = await clinic.post("/break-glass", body, token)
        assert answer.status_code == status, (body, answer.text)
        assert NEVER_PRINTED not in answer.text


async def test_an_administrator_of_the_organisation_reviews_and_ends_it(clinic: Clinic, patient: str) -> None:
    grant = (await clinic.post("/break-glass", {"patientId": patient, "reason": REASON}, await doctor(clinic))).json()
    admin = await clinic.token("ADMIN", organizations=(ORGANIZATION,))
    stranger = await clinic.token("ADMIN", organizations=("Organization/elsewhere",))
    path = f"/break-glass/{grant['id']}/review"
    verdict = {"verdict": "unjustified", "note": "the patient was awake"}
    assert (await clinic.post(path, verdict, stranger)).status_code == 404
    assert (await clinic.post(path, verdict, await doctor(clinic))).status_code == 403
    queue = (await clinic.web.get("/break-glass?pending=true&limit=100", headers=bearer(admin))).json()["items"]
    assert (grant["id"], REASON) in [(each["id"], each["reason"]) for each in queue]
    done = await clinic.post(path, verdict, admin)
    assert (done.status_code, done.json()["active"]) == (200, False)
    assert done.json()["review"]["note"] == "the patient was awake"
    assert not await clinic.service.grants.active(grant["userId"], patient)
    assert (await clinic.post(path, verdict, admin)).json()["code"] == "already_reviewed"
    queue = (await clinic.web.get("/break-glass?pending=true&limit=100", headers=bearer(admin))).json()["items"]
    assert grant["id"] not in [each["id"] for each in queue]


async def test_nobody_reviews_themselves(clinic: Clinic, patient: str) -> None:
    token = await clinic.token("DOCTOR", "ADMIN", organizations=(ORGANIZATION,))
    grant = (await clinic.post("/break-glass", {"patientId": patient, "reason": REASON}, token)).json()
    answer = await clinic.post(f"/break-glass/{grant['id']}/review", {"verdict": "justified"}, token)
    assert answer.status_code == 403


async def test_the_administrators_get_a_letter_that_names_no_patient(clinic: Clinic, patient: str) -> None:
    admin = await clinic.person("ADMIN", organizations=("Organization/letters",))
    token = await clinic.token("DOCTOR", organizations=("Organization/letters",))
    grant = (await clinic.post("/break-glass", {"patientId": patient, "reason": REASON}, token)).json()
    letter = await clinic.mailbox.letter_to(admin.email)
    assert grant["id"] in letter.get_content()
    assert patient not in letter.as_string()
    assert NEVER_PRINTED not in letter.as_string()


async def test_the_patient_sees_that_the_glass_was_broken_and_by_whom(clinic: Clinic, patient: str) -> None:
    body = {"patientId": patient, "reason": REASON}
    grant = (await clinic.post("/break-glass", body, await doctor(clinic))).json()
    token = await clinic.token("PATIENT", profiles=(f"Patient/{patient}",))
    seen = (await clinic.web.get(f"/audit?patientId={patient}", headers=bearer(token))).json()["items"]
    (entry,) = [each for each in seen if each["interaction"] == "break-glass"]
    assert entry["who"]["id"] == grant["userId"]
    assert entry["who"]["name"] == "Ana Lindqvist"
    assert entry["purpose"] == ["BTG"]
