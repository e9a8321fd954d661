"""Accounts for administrators and their owners over HTTP: PRODUCT "Users", ACCESS "User account, role grant"."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from domain.accounts.erasing import forget_patient
from tests.api.v1.clinic import PASSWORD, Clinic, bearer

HERE, THERE = "Organization/here", "Organization/there"


async def get(clinic: Clinic, path: str, token: str) -> httpx.Response:
    return await clinic.web.get(path, headers=bearer(token))


async def put(clinic: Clinic, user: str, body: dict[str, Any], token: str, tag: str | None = None) -> httpx.Response:
    headers = bearer(token) | ({"if-match": tag} if tag else {})
    return await clinic.web.put(f"/users/{user}", json=body, headers=headers)


async def test_who_is_no_administrator_sees_and_changes_only_themselves(clinic: Clinic) -> None:
    for role in ("DOCTOR", "NURSE", "PATIENT", "RECEPTIONIST", "PHARMACIST", "LAB_TECHNICIAN", "DIETICIAN"):
        person, other = await clinic.person(role), await clinic.person("PATIENT")  # type: ignore[arg-type]
        token = (await clinic.login(person))["accessToken"]
        assert (await get(clinic, "/users", token)).status_code == 403
        assert (await get(clinic, f"/users/{person.account.id}", token)).status_code == 200
        foreign, unknown = await get(clinic, f"/users/{other.account.id}", token), await get(clinic, "/users/no", token)
        assert foreign.status_code == unknown.status_code == 404
        assert {**foreign.json(), "requestId": ""} == {**unknown.json(), "requestId": ""}
        assert (await put(clinic, person.account.id, {"firstName": "Bea"}, token)).json()["firstName"] == "Bea"
        for field in ({"roles": ["ADMIN"]}, {"status": "ACTIVE"}, {"profiles": []}, {"organizations": [HERE]}):
            assert (await put(clinic, person.account.id, field, token)).status_code == 403
        assert (await clinic.web.delete(f"/users/{person.account.id}", headers=bearer(token))).status_code == 403


async def test_owners_set_preferences_and_administrators_what_other_systems_call_somebody(clinic: Clinic) -> None:
    person = await clinic.person("PATIENT")
    token, admin = (await clinic.login(person))["accessToken"], await clinic.token("SUPER_ADMIN")
    liked = {"language": "de-CH", "timezone": "Europe/Zurich"}
    assert (await put(clinic, person.account.id, {"preferences": liked}, token)).json()["preferences"] == liked
    assert (await put(clinic, person.account.id, {"preferences": {"language": "<b>"}}, token)).status_code == 422
    ids = [{"system": "carepatron", "value": "9917"}]
    assert (await put(clinic, person.account.id, {"externalIds": ids}, token)).status_code == 403
    assert (await put(clinic, person.account.id, {"externalIds": ids}, admin)).json()["externalIds"] == ids
    seen = (await get(clinic, "/users/me", token)).json()["user"]
    assert (seen["externalIds"], seen["preferences"]) == (ids, liked)


@pytest.mark.parametrize("field", ["id", "email", "version", "mfa", "emailVerified", "password", "name", "createdAt"])
async def test_no_other_field_can_be_set(clinic: Clinic, field: str) -> None:
    person = await clinic.person("PATIENT")
    token = (await clinic.login(person))["accessToken"]
    answer = await put(clinic, person.account.id, {field: "x"}, token)
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, field)


async def test_nobody_grants_or_touches_a_role_above_their_own_nor_their_own_roles(clinic: Clinic) -> None:
    admin = await clinic.person("ADMIN", organizations=[HERE])
    token = (await clinic.login(admin))["accessToken"]
    nurse = await clinic.person("NURSE", organizations=[HERE])
    top = await clinic.person("SUPER_ADMIN", organizations=[HERE])
    up = await put(clinic, nurse.account.id, {"roles": ["SUPER_ADMIN"]}, token)
    assert (up.status_code, up.json()["code"]) == (403, "role_above_own")
    assert (await put(clinic, top.account.id, {"roles": []}, token)).status_code == 403
    assert (await put(clinic, top.account.id, {"status": "DISABLED"}, token)).status_code == 403
    own = await put(clinic, admin.account.id, {"roles": ["ADMIN", "DOCTOR"]}, token)
    assert (own.status_code, own.json()["code"]) == (403, "own_roles")
    done = await put(clinic, nurse.account.id, {"roles": ["NURSE", "ADMIN"]}, token)
    assert (done.status_code, done.json()["roles"]) == (200, ["NURSE", "ADMIN"])
    assert (await clinic.post(f"/users/{top.account.id}/reset-mfa", {}, token)).status_code in (403, 422)


async def test_an_administrator_reaches_the_people_of_their_own_organisations(clinic: Clinic) -> None:
    token = await clinic.token("ADMIN", organizations=[HERE])
    here, there = [await clinic.person("NURSE", organizations=[name]) for name in (HERE, THERE)]
    assert (await get(clinic, f"/users/{here.account.id}", token)).status_code == 200
    assert (await get(clinic, f"/users/{there.account.id}", token)).status_code == 404
    assert (await put(clinic, there.account.id, {"firstName": "X"}, token)).status_code == 404
    assert (await put(clinic, here.account.id, {"organizations": [THERE]}, token)).status_code == 403
    seen = {each["id"] for each in (await get(clinic, "/users?limit=100", token)).json()["items"]}
    assert here.account.id in seen
    assert there.account.id not in seen


async def test_lists_go_on_by_cursor_without_gap_or_repetition_and_filter(clinic: Clinic) -> None:
    organization = "Organization/list"
    token = await clinic.token("ADMIN", organizations=[organization])
    made = [await clinic.person("NURSE", organizations=[organization], first_name="Quirin") for _ in range(5)]
    seen: list[str] = []
    path = "/users?limit=2&q=quir"
    while path:
        page = (await get(clinic, path, token)).json()
        seen += [each["id"] for each in page["items"]]
        path = f"/users?limit=2&q=quir&cursor={page['next']}" if page["next"] else ""
    assert sorted(seen) == sorted(each.account.id for each in made)
    assert len(seen) == len(set(seen))
    by_role = (await get(clinic, "/users?role=ADMIN", token)).json()["items"]
    assert [each["roles"] for each in by_role] == [["ADMIN"]]
    exact = (await get(clinic, f"/users?q={made[0].email}", token)).json()["items"]
    assert [each["id"] for each in exact] == [made[0].account.id]
    first = (await get(clinic, "/users?limit=2", token)).json()["next"]
    assert (await get(clinic, f"/users?limit=2&role=NURSE&cursor={first}", token)).status_code == 400


async def test_a_stale_version_changes_nothing(clinic: Clinic) -> None:
    person = await clinic.person("PATIENT")
    token = (await clinic.login(person))["accessToken"]
    first = await get(clinic, f"/users/{person.account.id}", token)
    tag = first.headers["etag"]
    assert (await put(clinic, person.account.id, {"firstName": "A"}, token, tag)).status_code == 200
    assert (await put(clinic, person.account.id, {"firstName": "B"}, token, tag)).status_code == 412
    answers = await asyncio.gather(*(put(clinic, person.account.id, {"lastName": name}, token) for name in "CDEF"))
    assert {answer.status_code for answer in answers} <= {200, 409, 412}
    after = (await get(clinic, f"/users/{person.account.id}", token)).json()
    assert after["version"] == int(tag[3:-1]) + 1 + [answer.status_code for answer in answers].count(200)


async def test_somebody_is_invited_chooses_a_password_and_logs_in(clinic: Clinic, program: str) -> None:
    record = {"resourceType": "Patient", "id": "77", "managingOrganization": {"reference": HERE}}
    assert (await clinic.fhir(program).put("/Patient/77", json=record)).status_code == 201
    token = await clinic.token("ADMIN", organizations=[HERE])
    body = {"email": "new@clinic.example", "firstName": "N", "lastName": "W", "profiles": ["Patient/77"]}
    made = await clinic.post("/users", body, token)
    assert (made.status_code, made.json()["status"], made.json()["organizations"]) == (201, "PENDING_EMAIL", [HERE])
    assert made.headers["location"] == f"/api/v1/users/{made.json()['id']}"
    taken = await clinic.post("/users", body, token)
    assert (taken.status_code, taken.json()["code"]) == (409, "email_taken")
    letter = await clinic.mailbox.token_to("new@clinic.example")
    assert (await clinic.post("/auth/password/reset", {"token": letter, "password": PASSWORD})).status_code == 204
    found = (await clinic.post("/auth/login", {"email": "new@clinic.example", "password": PASSWORD})).json()
    me = (await get(clinic, "/users/me", found["accessToken"])).json()
    assert (me["patientId"], me["practitionerId"], me["family"]) == ("77", None, [])


async def test_a_dietician_invites_patients_only(clinic: Clinic) -> None:
    token = await clinic.token("DIETICIAN", organizations=[HERE])
    body = {"email": "fed@clinic.example", "firstName": "F", "lastName": "D"}
    assert (await clinic.post("/users", {**body, "role": "DIETICIAN"}, token)).status_code == 403
    assert (await clinic.post("/users", {**body, "profiles": ["Patient/1"]}, token)).status_code == 403
    assert (await clinic.post("/users", body, token)).json()["roles"] == ["PATIENT"]
    for role in ("DOCTOR", "NURSE", "PATIENT", "RECEPTIONIST"):
        other = await clinic.token(role)  # type: ignore[arg-type]
        assert (await clinic.post("/users", {**body, "email": "x@clinic.example"}, other)).status_code == 403


async def test_an_invitation_repeated_with_its_key_is_one_invitation(clinic: Clinic) -> None:
    headers = bearer(await clinic.token("SUPER_ADMIN")) | {"idempotency-key": "once"}
    body = {"email": "once@clinic.example", "firstName": "O", "lastName": "N"}
    answers = [await clinic.web.post("/users", json=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()


async def test_who_is_disabled_is_out_at_the_next_request_and_cannot_come_back(clinic: Clinic) -> None:
    admin = await clinic.token("SUPER_ADMIN")
    person = await clinic.person("DOCTOR")
    login = await clinic.login(person)
    assert (await clinic.web.delete(f"/users/{person.account.id}", headers=bearer(admin))).status_code == 204
    assert (await get(clinic, "/users/me", login["accessToken"])).status_code == 401
    assert (await clinic.post("/auth/refresh", {"refreshToken": login["refreshToken"]})).status_code == 401
    body = {"email": person.email, "password": PASSWORD, "otp": person.code()}
    refused = await clinic.post("/auth/login", body)
    assert (refused.status_code, refused.json()["code"]) == (403, "account_disabled")
    assert (await clinic.post("/auth/password/forgot", {"email": person.email})).status_code == 202
    again = await put(clinic, person.account.id, {"status": "ACTIVE"}, admin)
    assert again.json()["status"] == "ACTIVE"


async def test_who_loses_a_role_loses_every_session(clinic: Clinic) -> None:
    admin = await clinic.token("SUPER_ADMIN")
    person = await clinic.person("DOCTOR", "NURSE")
    login = await clinic.login(person)
    assert (await put(clinic, person.account.id, {"roles": ["NURSE"]}, admin)).status_code == 200
    assert (await get(clinic, "/users/me", login["accessToken"])).status_code == 401


async def test_second_factors_are_cleared_by_an_administrator_who_has_just_logged_in(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = await clinic.token("SUPER_ADMIN")
    person = await clinic.person("DOCTOR")
    with monkeypatch.context() as patch:
        patch.setattr("domain.accounts.second_factors.FRESH_SECONDS", -1)
        assert (await clinic.post(f"/users/{person.account.id}/reset-mfa", {}, admin)).status_code == 401
    assert (await clinic.post(f"/users/{person.account.id}/reset-mfa", {}, admin)).status_code == 204
    first = (await clinic.post("/auth/login", {"email": person.email, "password": PASSWORD})).json()
    assert first["enrolmentRequired"] is True
    nurse = await clinic.token("NURSE")
    assert (await clinic.post(f"/users/{person.account.id}/reset-mfa", {}, nurse)).status_code == 403


async def test_rights_are_changed_only_by_who_proved_a_second_factor_a_moment_ago(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, person = await clinic.token("SUPER_ADMIN"), await clinic.person("NURSE")
    invited = {"email": "late@clinic.example", "firstName": "L", "lastName": "T", "role": "DOCTOR"}
    monkeypatch.setattr("domain.accounts.second_factors.FRESH_SECONDS", -1)
    for body in ({"roles": ["NURSE", "DOCTOR"]}, {"profiles": ["Patient/1"]}, {"status": "DISABLED"}):
        answer = await put(clinic, person.account.id, body, admin)
        assert (answer.status_code, answer.json()["code"]) == (401, "login_again")
    assert (await clinic.post("/users", invited, admin)).status_code == 401
    assert (await put(clinic, person.account.id, {"firstName": "Bea"}, admin)).status_code == 200


async def test_a_link_to_a_record_is_recorded_as_an_access_to_it(
    clinic: Clinic, installation: Any, mongo_admin: MongoClient[dict[str, Any]]
) -> None:
    admin, person = await clinic.token("SUPER_ADMIN"), await clinic.person("PATIENT")
    assert (await put(clinic, person.account.id, {"profiles": ["Patient/linked"]}, admin)).status_code == 200
    (entry,) = mongo_admin[installation.database]["audit"].find({"patients": "linked"})
    assert (entry["interaction"], entry["targets"]) == ("user-update", [f"User/{person.account.id}", "Patient/linked"])


async def test_the_account_of_an_erased_patient_goes_and_a_nurse_who_was_one_stays(clinic: Clinic) -> None:
    patient = await clinic.person("PATIENT", profiles=("Patient/gone",))
    nurse = await clinic.person("NURSE", profiles=("Practitioner/1", "Patient/gone"))
    parent = await clinic.person("PATIENT", profiles=("Patient/gone", "RelatedPerson/of-a-child"))
    token = (await clinic.login(patient))["accessToken"]
    assert await forget_patient(clinic.people, "gone") == 2
    assert await clinic.people.accounts.find(parent.account.id) is None
    assert await clinic.people.accounts.find(patient.account.id) is None
    assert await clinic.people.accounts.credentials(patient.account.id) is None
    assert (await get(clinic, "/users/me", token)).status_code == 401
    left = await clinic.people.accounts.find(nurse.account.id)
    assert left is not None
    assert left.profiles == ("Practitioner/1",)
    assert await forget_patient(clinic.people, "gone") == 0


async def test_a_program_has_no_account_and_manages_none(clinic: Clinic, installation: Any) -> None:
    from api.tokens import mint

    token = mint(installation, scopes="system/*.cruds", lifetime_seconds=60)
    for path in ("/users", "/users/me", "/auth/sessions", "/auth/mfa"):
        assert (await get(clinic, path, token)).status_code == 403
    assert (await get(clinic, "/users/x", token)).status_code == 404
    body = {"email": "p@clinic.example", "firstName": "P", "lastName": "P"}
    assert (await clinic.post("/users", body, token)).status_code == 403
