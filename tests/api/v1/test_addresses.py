"""One's own address: verified again, and changed for one that answers."""

from __future__ import annotations

import asyncio
import secrets

import httpx
import pytest

from tests.api.v1.clinic import PASSWORD, Clinic, bearer


def new_address() -> str:
    return f"{secrets.token_hex(6)}@example.org"


async def register(clinic: Clinic, email: str, **more: str) -> None:
    form = {"email": email, "password": PASSWORD, "firstName": "Ana", "lastName": "Lindqvist", **more}
    assert (await clinic.post("/auth/register", form)).status_code == 202


async def again(clinic: Clinic, email: str) -> None:
    assert (await clinic.post("/auth/verify-email/resend", {"email": email})).status_code == 202


async def logs_in(clinic: Clinic, email: str) -> bool:
    return (await clinic.post("/auth/login", {"email": email, "password": PASSWORD})).status_code == 200


async def test_the_letter_comes_again_and_remembers_what_the_first_one_did(
    clinic: Clinic, web: httpx.AsyncClient
) -> None:
    email, family = new_address(), secrets.token_hex(5)
    name = f"p{secrets.token_hex(5)}"
    record = {
        "resourceType": "Patient",
        "id": name,
        "birthDate": "1980-02-03",
        "name": [{"family": family, "given": ["Ana"]}],
    }
    record["telecom"] = [{"system": "email", "value": email}]
    assert (await web.put(f"/fhir/Patient/{name}", json=record)).status_code == 201
    await register(clinic, email, lastName=family, birthDate="1980-02-03")
    await clinic.mailbox.letter_to(email)
    await again(clinic, email.upper())
    token = await clinic.mailbox.token_to(email)
    assert (await clinic.post("/auth/verify-email", {"token": token})).status_code == 204
    account = await clinic.people.accounts.by_email(email)
    assert account is not None
    assert (account.status, account.profiles) == ("ACTIVE", (f"Patient/{name}",))


async def test_who_was_invited_is_invited_again(clinic: Clinic) -> None:
    email, administrator = new_address(), await clinic.token("SUPER_ADMIN")
    form = {"email": email, "firstName": "Ana", "lastName": "Okafor", "role": "PATIENT"}
    assert (await clinic.post("/users", form, administrator)).status_code == 201
    await clinic.mailbox.letter_to(email)
    await again(clinic, email)
    token = await clinic.mailbox.token_to(email)
    assert (await clinic.post("/auth/password/reset", {"token": token, "password": PASSWORD})).status_code == 204
    assert await logs_in(clinic, email)


async def test_a_mailbox_is_not_filled_with_letters_and_a_verified_one_gets_none(clinic: Clinic) -> None:
    email, verified = new_address(), (await clinic.person("PATIENT")).email
    await register(clinic, email)
    for _ in range(8):
        await again(clinic, email)
    await again(clinic, verified)
    last = new_address()
    await register(clinic, last)
    await clinic.mailbox.letter_to(last)  # everything before it has arrived
    await asyncio.sleep(0.5)
    sent = [letter["To"] for letter in clinic.mailbox.letters]
    assert 2 <= sent.count(email) <= 6
    assert verified not in sent


async def test_a_new_address_counts_when_its_letter_is_answered_and_the_old_one_is_told(clinic: Clinic) -> None:
    person, email = await clinic.person("PATIENT"), new_address()
    token = (await clinic.login(person))["accessToken"]
    asked = await clinic.post("/auth/email/change", {"password": PASSWORD, "newEmail": email}, token)
    assert asked.status_code == 202, asked.text
    await clinic.post("/auth/password/forgot", {"email": person.email})
    to_the_old = await clinic.mailbox.token_to(person.email)
    assert (await logs_in(clinic, person.email), await logs_in(clinic, email)) == (True, False)
    proof = await clinic.mailbox.token_to(email)
    assert (await clinic.post("/auth/email/confirm", {"token": proof})).status_code == 204
    notice = await clinic.mailbox.letter_to(person.email)
    assert "another mail address" in notice.get_content()
    assert email not in notice.get_content()
    assert (await logs_in(clinic, person.email), await logs_in(clinic, email)) == (False, True)
    me = (await clinic.web.get("/users/me", headers=bearer(token))).json()["user"]
    assert me["email"] == email
    assert (await clinic.post("/auth/email/confirm", {"token": proof})).status_code == 410
    stale = await clinic.post("/auth/password/reset", {"token": to_the_old, "password": "something else 77!"})
    assert stale.status_code == 410


async def test_an_address_that_is_taken_is_answered_alike_and_its_owner_told(clinic: Clinic) -> None:
    person, other = await clinic.person("PATIENT"), await clinic.person("PATIENT")
    token = (await clinic.login(person))["accessToken"]
    answer = await clinic.post("/auth/email/change", {"password": PASSWORD, "newEmail": other.email}, token)
    assert (answer.status_code, answer.content) == (202, b"")
    assert "has an account already" in (await clinic.mailbox.letter_to(other.email)).get_content()


async def test_of_two_who_confirm_one_address_one_gets_it(clinic: Clinic) -> None:
    email, proofs = new_address(), []
    for _ in range(2):
        token = await clinic.token("PATIENT")
        asked = await clinic.post("/auth/email/change", {"password": PASSWORD, "newEmail": email}, token)
        assert asked.status_code == 202
        proofs.append(await clinic.mailbox.token_to(email))
    answers = await asyncio.gather(*(clinic.post("/auth/email/confirm", {"token": proof}) for proof in proofs))
    assert sorted(answer.status_code for answer in answers) == [204, 409]


async def test_only_the_owner_changes_the_address(clinic: Clinic) -> None:
    person = await clinic.person("PATIENT")
    token = (await clinic.login(person))["accessToken"]
    wrong = {"password": "not the password", "newEmail": new_address()}
    statuses = [(await clinic.post("/auth/email/change", wrong, token)).status_code for _ in range(8)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert (await clinic.post("/auth/email/change", wrong)).status_code == 401
    program = await clinic.token("PATIENT")
    same = {"password": PASSWORD, "newEmail": "not an address"}
    assert (await clinic.post("/auth/email/change", same, program)).status_code == 422


async def test_staff_prove_their_second_factor_first(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    from domain.accounts import second_factors

    token = await clinic.token("DOCTOR")
    monkeypatch.setattr(second_factors, "FRESH_SECONDS", -1)
    answer = await clinic.post("/auth/email/change", {"password": PASSWORD, "newEmail": new_address()}, token)
    assert (answer.status_code, answer.json()["code"]) == (401, "login_again")
