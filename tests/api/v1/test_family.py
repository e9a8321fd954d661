"""Families over /api/v1: a parent acts for a child from the moment it is said to the moment it ends."""

from __future__ import annotations

import secrets
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from domain.clinic.family import of_age
from tests.api.v1.test_patients import somebody
from tests.api.v1.ward import Ward

Json = dict[str, Any]
TODAY = date.today()


def child(**more: Any) -> Json:
    name = secrets.token_hex(5)
    born = TODAY - timedelta(days=365 * 6 + secrets.randbelow(300))
    return {"relationship": "child", "firstName": "Leo", "lastName": name, "dateOfBirth": born.isoformat(), **more}


async def test_a_parent_acts_for_a_new_child_at_once_and_until_they_stop(ward: Ward) -> None:
    parent, said = await ward.web("PATIENT"), child(gender="male")
    address = f"/patients/{ward.patient}/family"
    made = await parent.post(address, json=said)
    assert made.status_code == 201, made.text
    member = made.json()
    majority = of_age(date.fromisoformat(said["dateOfBirth"])) - timedelta(days=1)
    assert (member["role"], member["relationship"], member["active"]) == ("DEPENDANT", "child", True)
    assert (member["name"], member["until"]) == (f"Leo {said['lastName']}", majority.isoformat())
    one = f"/patients/{member['patientId']}"
    assert (await parent.get(one)).json()["dateOfBirth"] == said["dateOfBirth"]
    assert (await parent.put(one, json={"contact": {"phone": "1"}})).status_code == 200
    vital = {"type": "body-weight", "value": 21, "takenAt": "2026-11-01T08:00:00Z"}
    measured = await parent.post(f"{one}/vital-signs", json=vital)
    assert (measured.status_code, measured.json()["author"]) == (201, f"RelatedPerson/{member['id']}"), measured.text
    assert {each["id"] for each in (await parent.get("/patients")).json()["items"]} == {
        ward.patient,
        member["patientId"],
    }
    assert (await parent.get("/users/me")).json()["family"] == [member["patientId"]]
    assert (await parent.get(address)).json()["items"] == [member]
    (guardian,) = (await parent.get(f"{one}/family")).json()["items"]
    assert (guardian["role"], guardian["patientId"], guardian["name"]) == ("GUARDIAN", ward.patient, "Wim Ward")

    for kind in ("RelatedPerson", "Consent"):
        stored = (await ward.fhir.get(f"/{kind}?patient={member['patientId']}")).json()["entry"]
        assert [entry["resource"]["id"] for entry in stored] == [member["id"]]
        await ward.valid(stored[0]["resource"])
    assert (await parent.post(address, json=said)).json()["code"] == "possible_duplicate"

    assert (await parent.delete(f"{address}/{member['id']}")).status_code == 204
    assert {(await parent.get(each)).status_code for each in (one, f"{one}/vital-signs", f"{one}/family")} == {404}
    assert (await parent.get("/users/me")).json()["family"] == []
    ended = (await ward.fhir.get(f"/Consent/{member['id']}")).json()
    assert ended["status"] == "inactive"


async def test_only_the_clinic_makes_somebody_act_for_who_is_in_the_records(ward: Ward) -> None:
    clinic, parent = await ward.web("RECEPTIONIST"), await ward.web("PATIENT")
    known = (await clinic.post("/patients", json=somebody(dateOfBirth="2020-02-29"))).json()["id"]
    address, body = f"/patients/{ward.patient}/family", {"relationship": "child", "patientId": known}
    refused = await parent.post(address, json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "family_needs_staff")
    assert (await parent.get(f"/patients/{known}")).status_code == 404
    for role in ("DOCTOR", "NURSE", "DIETICIAN"):
        assert (await (await ward.web(role)).post(address, json=body)).status_code == 403, role
    made = await clinic.post(address, json=body)
    assert (made.status_code, made.json()["until"]) == (201, "2038-02-28"), made.text
    assert (await parent.get(f"/patients/{known}")).status_code == 200
    again = await clinic.post(address, json=body)
    assert (again.status_code, again.json()["code"]) == (409, "already_family")
    assert (await clinic.delete(f"/patients/{known}/family/{made.json()['id']}")).status_code == 204
    assert (await parent.get(f"/patients/{known}")).status_code == 404
    back = await clinic.post(address, json=body)
    assert (back.status_code, back.json()["version"]) == (201, 3)
    assert (await parent.get(f"/patients/{known}")).status_code == 200


async def test_who_is_of_age_is_acted_for_until_a_day_that_is_said_and_ends_it_themselves(ward: Ward) -> None:
    clinic, spouse = await ward.web("RECEPTIONIST"), await ward.web("PATIENT")
    known = (await clinic.post("/patients", json=somebody(dateOfBirth="1980-02-03"))).json()["id"]
    address, body = f"/patients/{ward.patient}/family", {"relationship": "spouse", "patientId": known}
    open_ended = await clinic.post(address, json=body)
    assert (open_ended.status_code, open_ended.json()["errors"][0]["path"]) == (422, "until")
    over = await clinic.post(address, json={**body, "until": "2020-01-01"})
    assert (over.status_code, over.json()["errors"][0]["path"]) == (422, "until")
    until = (TODAY + timedelta(days=30)).isoformat()
    made = await clinic.post(address, json={**body, "until": until})
    assert (made.status_code, made.json()["until"]) == (201, until), made.text
    assert (await spouse.get(f"/patients/{known}")).status_code == 200
    token = await ward.clinic.token("PATIENT", profiles=(f"Patient/{known}",))
    themselves = httpx.AsyncClient(
        transport=spouse._transport, base_url=str(spouse.base_url), headers={"authorization": f"Bearer {token}"}
    )
    (guardian,) = (await themselves.get(f"/patients/{known}/family")).json()["items"]
    assert (await themselves.delete(f"/patients/{known}/family/{guardian['id']}")).status_code == 204
    assert (await spouse.get(f"/patients/{known}")).status_code == 404


async def test_a_tie_ends_with_its_period(ward: Ward) -> None:
    parent = await ward.web("PATIENT")
    member = (await parent.post(f"/patients/{ward.patient}/family", json=child())).json()
    stored = (await ward.fhir.get(f"/RelatedPerson/{member['id']}")).json()
    yesterday = (TODAY - timedelta(days=1)).isoformat()
    stored["period"] = {"start": "2020-01-01", "end": yesterday}
    assert (await ward.fhir.put(f"/RelatedPerson/{member['id']}", json=stored)).status_code == 200
    assert (await parent.get(f"/patients/{member['patientId']}")).status_code == 404


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"dateOfBirth": "1980-01-01"}, 403, "family_needs_staff"),
        ({"dateOfBirth": None}, 422, "invalid_fields"),
        ({"firstName": None, "lastName": None}, 422, "invalid_fields"),
        ({"relationship": "cousin"}, 422, "invalid_fields"),
    ],
)
async def test_what_a_parent_may_not_say(ward: Ward, change: Json, status: int, code: str) -> None:
    body = {name: value for name, value in {**child(), **change}.items() if value is not None}
    answer = await (await ward.web("PATIENT")).post(f"/patients/{ward.patient}/family", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_strangers_learn_nothing_of_a_family(ward: Ward) -> None:
    parent = await ward.web("PATIENT")
    member = (await parent.post(f"/patients/{ward.patient}/family", json=child())).json()
    address = f"/patients/{ward.patient}/family"
    doctor = await ward.web("DOCTOR")
    assert (await doctor.get(address)).json()["items"] == [], "the parent's doctor does not see the child"
    for role in ("DOCTOR", "PATIENT", "RECEPTIONIST"):
        stranger = await ward.web(role, stranger=True)
        answers = [
            await stranger.get(address),
            await stranger.post(address, json=child()),
            await stranger.delete(f"{address}/{member['id']}"),
        ]
        assert {answer.status_code for answer in answers} <= {403, 404}, role
        assert answers[0].status_code == 404, role
    assert (await parent.delete(f"{address}/nobody")).status_code == 404


async def test_a_guardian_without_an_account_acts_for_nobody(ward: Ward) -> None:
    clinic = await ward.web("RECEPTIONIST")
    guardian = (await clinic.post("/patients", json=somebody())).json()["id"]
    answer = await clinic.post(f"/patients/{guardian}/family", json=child())
    assert (answer.status_code, answer.json()["code"]) == (409, "guardian_has_no_account")
