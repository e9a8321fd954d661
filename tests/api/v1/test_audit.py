"""Who saw my record, and what did they do: `/api/v1/audit` with real accounts."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from pymongo import MongoClient

from api.settings import Settings
from tests.api.v1.clinic import Clinic, Person, bearer


@pytest.fixture
async def patient(clinic: Clinic, program: str) -> str:
    """A patient whose record a program has looked for by name."""
    name = secrets.token_hex(6)
    async with clinic.fhir(program) as client:
        house = {"resourceType": "Organization", "id": "house", "name": "Haus der Gesundheit"}
        assert (await client.put("Organization/house", json=house)).status_code in (200, 201)
        body = {"resourceType": "Patient", "id": name, "name": [{"family": f"Chalmers{name}"}]}
        assert (await client.put(f"Patient/{name}", json=body)).status_code == 201
        assert (await client.get(f"Patient?family=Chalmers{name}")).json()["entry"]
    return name


async def items(clinic: Clinic, token: str, query: str = "") -> list[dict[str, Any]]:
    answer = await clinic.web.get(f"/audit?{query}", headers=bearer(token))
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def a_person(clinic: Clinic, *roles: Any, **given: Any) -> tuple[Person, str]:
    person = await clinic.person(*roles, **given)
    return person, (await clinic.login(person))["accessToken"]


async def test_a_patient_sees_who_saw_their_record_without_search_values_or_addresses(
    clinic: Clinic, patient: str
) -> None:
    token = await clinic.token("PATIENT", profiles=(f"Patient/{patient}",))
    seen = await items(clinic, token)
    assert {each["interaction"] for each in seen} >= {"update", "search-type"}
    assert all(each["patientIds"] == [patient] for each in seen)
    assert all(each["query"] is None and each["network"] is None for each in seen)
    assert "Chalmers" not in str(seen)


async def test_names_are_those_of_people_and_houses(clinic: Clinic, patient: str) -> None:
    nurse, token = await a_person(clinic, "NURSE", organizations=("Organization/house",), last_name="Okafor")
    opened = await clinic.post("/break-glass", {"patientId": patient, "reason": "found without pulse"}, token)
    assert opened.status_code == 201
    mine = await clinic.token("PATIENT", profiles=(f"Patient/{patient}",))
    (entry,) = await items(clinic, mine, "interaction=break-glass")
    assert entry["who"] == {
        "id": nurse.account.id,
        "client": "chartvault",
        "name": "Ana Okafor",
        "roles": ["NURSE"],
        "organizations": ["Haus der Gesundheit"],
    }


async def test_no_patient_is_named_to_an_administrator(clinic: Clinic, patient: str) -> None:
    somebody, token = await a_person(clinic, "PATIENT", profiles=(f"Patient/{patient}",), last_name="Quintessa")
    await clinic.web.get("/users/me", headers=bearer(token))
    admin = await clinic.token("ADMIN", organizations=("Organization/house",))
    assert "Quintessa" not in str(await items(clinic, admin))
    own = await items(clinic, token, f"userId={somebody.account.id}")
    assert own == [] or own[0]["who"]["name"] == "Ana Quintessa"


async def test_a_patient_learns_nothing_of_another(clinic: Clinic, patient: str) -> None:
    token = await clinic.token("PATIENT", profiles=("Patient/somebody-else",))
    assert await items(clinic, token, f"patientId={patient}") == []


async def test_a_nurse_sees_what_she_did_herself(clinic: Clinic, patient: str) -> None:
    nurse, token = await a_person(clinic, "NURSE")
    await clinic.web.get("/users/me", headers=bearer(token))
    seen = await items(clinic, token)
    assert {each["who"]["id"] for each in seen} == {nurse.account.id}
    assert await items(clinic, token, "userId=somebody") == []


async def test_an_administrator_of_no_organisation_sees_nothing_and_is_told_why(clinic: Clinic) -> None:
    """ACCESS: `rs org`. Without an organisation there is nobody whose accesses it would be theirs to see."""
    token = await clinic.token("ADMIN")
    answer = await clinic.web.get("/audit", headers=bearer(token))
    assert answer.status_code == 403, answer.text
    assert "belongs to none" in answer.json()["detail"]
    assert "www-authenticate" not in answer.headers
    async with clinic.fhir(token) as fhir:
        assert (await fhir.get("/AuditEvent")).status_code == 403


async def test_an_administrator_sees_people_of_the_organisation_by_time_and_action(
    clinic: Clinic, patient: str
) -> None:
    house = f"Organization/{secrets.token_hex(4)}"
    nurse, nurses = await a_person(clinic, "NURSE", organizations=(house,))
    await clinic.web.get("/users/me", headers=bearer(nurses))
    admin = await clinic.token("ADMIN", organizations=(house,))
    assert nurse.account.id in {each["who"]["id"] for each in await items(clinic, admin)}
    assert await items(clinic, admin, "to=2020-01-01T00:00:00Z") == []
    assert await items(clinic, admin, "from=2099-01-01T00:00:00Z") == []
    assert await items(clinic, admin, "action=D") == []
    assert {each["network"] for each in await items(clinic, admin, f"userId={nurse.account.id}")} == {"10.1.2.3"}


async def test_pages_go_on_where_they_stopped(clinic: Clinic, patient: str) -> None:
    _, token = await a_person(clinic, "NURSE")
    for _ in range(5):
        await clinic.web.get("/users/me", headers=bearer(token))
    everything = [each["id"] for each in await items(clinic, token, "limit=100")]
    found: list[str] = []
    cursor = None
    until = "2099-01-01T00:00:00Z"
    while True:
        query = f"limit=2&to={until}" + (f"&cursor={cursor}" if cursor else "")
        page = (await clinic.web.get(f"/audit?{query}", headers=bearer(token))).json()
        found += [each["id"] for each in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert [each for each in found if each in everything] == everything
    assert (await clinic.web.get(f"/audit?limit=2&cursor={'x' * 60}", headers=bearer(token))).status_code == 400


async def test_reading_is_recorded(
    clinic: Clinic, patient: str, mongo_admin: MongoClient[dict[str, Any]], installation: Settings
) -> None:
    token = await clinic.token("PATIENT", profiles=(f"Patient/{patient}",))
    await items(clinic, token, f"patientId={patient}")
    found = mongo_admin[installation.database]["audit"].find_one({"interaction": "audit-list", "patients": patient})
    assert found is not None


async def test_the_check_finds_what_was_changed_and_goes_on_in_parts(
    clinic: Clinic, patient: str, mongo_admin: MongoClient[dict[str, Any]], installation: Settings
) -> None:
    admin = await clinic.token("SUPER_ADMIN")
    clean, parts = await checked(clinic, admin, limit=10)
    assert clean == []
    assert parts > 2
    audit = mongo_admin[installation.database]["audit"]
    victim: Any = audit.find_one({}, sort=[("_id", 1)])
    audit.update_one({"_id": victim["_id"]}, {"$set": {"subject": "somebody else"}})
    try:
        found, _ = await checked(clinic, admin, limit=10)
        assert [each["where"] for each in found] == [f"audit/{victim['_id']}"]
        assert (await checked(clinic, admin, limit=50_000))[0] == found
    finally:
        audit.replace_one({"_id": victim["_id"]}, victim)


async def checked(clinic: Clinic, token: str, *, limit: int) -> tuple[list[dict[str, Any]], int]:
    """All findings, and in how many parts they came."""
    found: list[dict[str, Any]] = []
    cursor, parts = "", 0
    while True:
        query = f"limit={limit}" + (f"&cursor={cursor}" if cursor else "")
        answer = await clinic.web.get(f"/audit/verify?{query}", headers=bearer(token))
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["findings"]
        parts += 1
        if page["next"] is None or parts > 500:
            return found, parts
        cursor = page["next"]


@pytest.mark.parametrize("role", ["NURSE", "PATIENT"])
async def test_only_administrators_check(clinic: Clinic, role: Any) -> None:
    token = await clinic.token(role, profiles=("Patient/x",))
    assert (await clinic.web.get("/audit/verify", headers=bearer(token))).status_code == 403
