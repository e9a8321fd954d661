"""Registering, logging in and out, over HTTP: PRODUCT 2.11, ACCESS section 2."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pymongo import MongoClient

from api.settings import Settings
from tests.api.v1.clinic import PASSWORD, Clinic, bearer

NEW: dict[str, Any] = {"password": PASSWORD, "firstName": "Zoë", "lastName": "Berg"}


async def test_somebody_registers_confirms_the_address_and_logs_in(clinic: Clinic) -> None:
    answer = await clinic.post("/auth/register", {**NEW, "email": "zoe@example.org"})
    assert (answer.status_code, answer.json()["user"]["status"]) == (202, "PENDING_EMAIL")
    login = {"email": "Zoe@Example.org", "password": PASSWORD}
    early = await clinic.post("/auth/login", login)
    assert (early.status_code, early.json()["code"]) == (403, "email_not_verified")
    token = await clinic.mailbox.token_to("zoe@example.org")
    assert (await clinic.post("/auth/verify-email", {"token": token})).status_code == 204
    assert (await clinic.post("/auth/verify-email", {"token": token})).status_code == 410
    found = (await clinic.post("/auth/login", login)).json()
    assert found["user"]["roles"] == ["PATIENT"]
    me = (await clinic.web.get("/users/me", headers=bearer(found["accessToken"]))).json()
    assert me["user"]["status"] == "ACTIVE"
    assert me["patientId"] is not None


@pytest.mark.parametrize("role", ["SUPER_ADMIN", "ADMIN", "DOCTOR", "NURSE", "DIETICIAN"])
async def test_a_role_in_the_body_grants_nothing_until_an_administrator_approves(clinic: Clinic, role: str) -> None:
    email = f"{role.lower()}@clinic.example"
    answer = await clinic.post("/auth/register", {**NEW, "email": email, "role": role})
    assert (answer.status_code, answer.json()["user"]) == (
        202,
        {"email": email, "firstName": "Zoë", "lastName": "Berg", "roles": [], "status": "PENDING_APPROVAL"},
    )
    await clinic.post("/auth/verify-email", {"token": await clinic.mailbox.token_to(email)})
    refused = await clinic.post("/auth/login", {"email": email, "password": PASSWORD})
    assert (refused.status_code, refused.json()["code"]) == (403, "approval_pending")
    account = await clinic.people.accounts.by_email(email)
    assert account is not None
    assert (account.roles, account.asked) == ((), role)

    admin = await clinic.token("SUPER_ADMIN")
    assert (await clinic.post(f"/users/{account.id}/approve", {}, admin)).status_code == 200
    allowed = (await clinic.post("/auth/login", {"email": email, "password": PASSWORD})).json()
    assert allowed["enrolmentRequired"] is True


@pytest.mark.parametrize(
    "extra",
    [
        {"roles": ["ADMIN"]},
        {"status": "ACTIVE"},
        {"emailVerified": True},
        {"profiles": ["Patient/1"]},
        {"organizations": ["Organization/1"]},
        {"id": "mine"},
        {"version": 7},
        {"mfa": True},
        {"__proto__": {}},
        {"role": "SUPERUSER"},
        {"role": ["ADMIN"]},
    ],
)
async def test_no_field_that_was_not_asked_for_is_taken(clinic: Clinic, extra: dict[str, Any]) -> None:
    answer = await clinic.post("/auth/register", {**NEW, "email": "mass@example.org", **extra})
    assert answer.status_code == 422
    assert [each["path"].partition("[")[0] for each in answer.json()["errors"]] == list(extra)
    assert await clinic.people.accounts.by_email("mass@example.org") is None


async def test_an_address_that_has_an_account_is_answered_the_same_and_told_by_letter(clinic: Clinic) -> None:
    body = {**NEW, "email": "twice@example.org"}
    first = await clinic.post("/auth/register", body)
    await clinic.mailbox.letter_to("twice@example.org")
    again = await clinic.post("/auth/register", {**body, "password": "another sentence, twice as long"})
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert "already" in (await clinic.mailbox.letter_to("twice@example.org")).get_content()
    wrong = {"email": "twice@example.org", "password": "another sentence, twice as long"}
    assert (await clinic.post("/auth/login", wrong)).status_code == 401


async def test_letters_have_subjects_that_say_nothing(clinic: Clinic) -> None:
    await clinic.post("/auth/register", {**NEW, "email": "subject@example.org"})
    letter = await clinic.mailbox.letter_to("subject@example.org")
    assert letter["Subject"] == "Please confirm your address"
    assert "http://127.0.0.1:8000/verify-email#" in letter.get_content()


async def test_a_known_and_an_unknown_user_get_the_same_refusal(clinic: Clinic) -> None:
    person = await clinic.person("PATIENT")
    known = await clinic.post("/auth/login", {"email": person.email, "password": "wrong"})
    unknown = await clinic.post("/auth/login", {"email": "nobody@example.org", "password": "wrong"})
    bodies = [{**answer.json(), "requestId": ""} for answer in (known, unknown)]
    assert bodies[0] == bodies[1]
    assert (known.status_code, bodies[0]["code"]) == (401, "invalid_credentials")
    assert {*known.headers} == {*unknown.headers}


async def test_only_the_last_of_200_characters_differs(clinic: Clinic) -> None:
    person = await clinic.person("PATIENT", password="x7" * 99 + "ab")
    for password, status in (("x7" * 99 + "aB", 401), ("x7" * 49 + "ab" + "x7" * 50, 401), ("x7" * 99 + "ab", 200)):
        answer = await clinic.post("/auth/login", {"email": person.email, "password": password})
        assert answer.status_code == status


async def test_a_password_typed_with_composed_letters_is_the_same(clinic: Clinic) -> None:
    person = await clinic.person("PATIENT", password="Zu\u0308rich liegt am Z\u00fcrichsee")
    await clinic.login(person, password="Z\u00fcrich liegt am Zu\u0308richsee")


async def test_a_logged_out_token_is_refused_at_the_next_request_and_cannot_be_refreshed(clinic: Clinic) -> None:
    login = await clinic.login(await clinic.person("PATIENT"))
    token = login["accessToken"]
    assert (await clinic.web.get("/users/me", headers=bearer(token))).status_code == 200
    assert (await clinic.post("/auth/logout", {}, token)).status_code == 204
    assert (await clinic.web.get("/users/me", headers=bearer(token))).status_code == 401
    assert (await clinic.post("/auth/refresh", {"refreshToken": login["refreshToken"]})).status_code == 401


async def test_a_refresh_token_that_comes_twice_ends_the_session(clinic: Clinic) -> None:
    first = await clinic.login(await clinic.person("PATIENT"))
    second = (await clinic.post("/auth/refresh", {"refreshToken": first["refreshToken"]})).json()
    assert (await clinic.web.get("/users/me", headers=bearer(second["accessToken"]))).status_code == 200
    stolen = await clinic.post("/auth/refresh", {"refreshToken": first["refreshToken"]})
    assert (stolen.status_code, stolen.json()["code"]) == (401, "refresh_token_reused")
    assert (await clinic.web.get("/users/me", headers=bearer(second["accessToken"]))).status_code == 401
    assert (await clinic.post("/auth/refresh", {"refreshToken": second["refreshToken"]})).status_code == 401


async def test_of_two_refreshes_at_once_at_most_one_lives(clinic: Clinic) -> None:
    first = await clinic.login(await clinic.person("PATIENT"))
    answers = await asyncio.gather(
        *(clinic.post("/auth/refresh", {"refreshToken": first["refreshToken"]}) for _ in range(2))
    )
    alive = [
        answer.json()["accessToken"]
        for answer in answers
        if answer.status_code == 200
        and (await clinic.web.get("/users/me", headers=bearer(answer.json()["accessToken"]))).status_code == 200
    ]
    assert len(alive) <= 1


async def test_own_logins_are_listed_and_ended_and_nobody_elses(clinic: Clinic) -> None:
    person = await clinic.person("PATIENT")
    here, there = await clinic.login(person), await clinic.login(person)
    stranger = await clinic.token("PATIENT")
    listed = (await clinic.web.get("/auth/sessions", headers=bearer(here["accessToken"]))).json()
    assert {each["id"]: each["current"] for each in listed["items"]} == {
        here["sessionId"]: True,
        there["sessionId"]: False,
    }
    path = f"/auth/sessions/{there['sessionId']}"
    assert (await clinic.web.delete(path, headers=bearer(stranger))).status_code == 404
    assert (await clinic.web.delete(path, headers=bearer(here["accessToken"]))).status_code == 204
    assert (await clinic.web.get("/users/me", headers=bearer(there["accessToken"]))).status_code == 401
    page = (await clinic.web.get("/auth/sessions?limit=1", headers=bearer(here["accessToken"]))).json()
    assert (len(page["items"]), page["next"]) == (1, None)


async def test_a_forgotten_password_is_reset_by_letter_and_ends_every_session(clinic: Clinic) -> None:
    person = await clinic.person("PATIENT")
    login = await clinic.login(person)
    known = await clinic.post("/auth/password/forgot", {"email": person.email})
    unknown = await clinic.post("/auth/password/forgot", {"email": "nobody@example.org"})
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content) == (202, b"")
    token = await clinic.mailbox.token_to(person.email)
    weak = await clinic.post("/auth/password/reset", {"token": token, "password": "short"})
    assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
    new = "quite another sentence 8"
    assert (await clinic.post("/auth/password/reset", {"token": token, "password": new})).status_code == 204
    assert (await clinic.post("/auth/password/reset", {"token": token, "password": new})).status_code == 410
    assert (await clinic.web.get("/users/me", headers=bearer(login["accessToken"]))).status_code == 401
    assert (await clinic.post("/auth/login", {"email": person.email, "password": PASSWORD})).status_code == 401
    await clinic.login(person, password=new)


async def test_a_changed_password_keeps_this_session_and_ends_the_others(clinic: Clinic) -> None:
    person = await clinic.person("PATIENT")
    here, there = await clinic.login(person), await clinic.login(person)
    body = {"oldPassword": "wrong", "newPassword": "quite another sentence 8"}
    assert (await clinic.post("/auth/password/change", body, here["accessToken"])).status_code == 401
    body["oldPassword"] = PASSWORD
    assert (await clinic.post("/auth/password/change", body, here["accessToken"])).status_code == 204
    assert (await clinic.web.get("/users/me", headers=bearer(here["accessToken"]))).status_code == 200
    assert (await clinic.web.get("/users/me", headers=bearer(there["accessToken"]))).status_code == 401


async def test_every_step_is_recorded_with_its_name_and_whose_it_was(
    clinic: Clinic, installation: Settings, mongo_admin: MongoClient[dict[str, Any]]
) -> None:
    audit = mongo_admin[installation.database]["audit"]
    person = await clinic.person("PATIENT")
    target, before = f"User/{person.account.id}", audit.distinct("_id")
    await clinic.post("/auth/login", {"email": person.email, "password": "wrong"})
    login = await clinic.login(person)
    renewed = (await clinic.post("/auth/refresh", {"refreshToken": login["refreshToken"]})).json()
    await clinic.post("/auth/refresh", {"refreshToken": login["refreshToken"]})
    await clinic.post("/auth/logout", {}, renewed["accessToken"])
    entries = list(audit.find({"_id": {"$nin": before}}, sort=[("_id", 1)]))
    assert [(each["interaction"], each["status"]) for each in entries] == [
        ("login", 401),
        ("login", 200),
        ("login-refresh", 200),
        ("login-refresh", 401),
        ("logout", 401),
    ]
    assert [each["subject"] for each in entries[:3]] == ["anonymous", person.account.id, person.account.id]
    assert all(target in each["targets"] for each in (entries[0], entries[1], entries[3]))


async def test_the_api_page_shows_the_endpoints_of_people(clinic: Clinic) -> None:
    described = (await clinic.web.get("http://127.0.0.1:8000/api/openapi.json")).json()
    assert described["paths"]["/api/v1/auth/login"]["post"]["security"] == []
    assert "password" in described["components"]["schemas"]["LoginForm"]["properties"]
