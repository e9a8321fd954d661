"""Codes, recovery codes and passkeys over HTTP: ACCESS section 2, RFC 6238, WebAuthn level 3."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import pyotp
import pytest

from tests.api.v1.authenticator import Authenticator
from tests.api.v1.clinic import PASSWORD, Clinic, Person, bearer


def code_of(secret: str) -> str:
    return pyotp.TOTP(secret).generate_otp(int(time.time()) // 30)


async def half_way(clinic: Clinic, person: Person) -> dict[str, Any]:
    """The first step of a login."""
    answer = await clinic.post("/auth/login", {"email": person.email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert "accessToken" not in found
    return found


async def test_staff_set_up_an_app_inside_their_first_login(clinic: Clinic) -> None:
    person = await clinic.person("DOCTOR", app=False)
    first = await half_way(clinic, person)
    assert first["enrolmentRequired"] is True
    ticket = first["mfaToken"]
    begun = (await clinic.post("/auth/mfa/enroll", {"mfaToken": ticket})).json()
    assert begun["otpauthUri"].startswith("otpauth://totp/Chartvault:")
    wrong = await clinic.post("/auth/mfa/verify", {"mfaToken": ticket, "code": "000000"})
    assert wrong.status_code == 422
    done = await clinic.post("/auth/mfa/verify", {"mfaToken": ticket, "code": code_of(begun["secret"])})
    assert done.status_code == 201, done.text
    assert len(done.json()["recoveryCodes"]) == 10
    token = done.json()["login"]["accessToken"]
    assert (await clinic.web.get("/users/me", headers=bearer(token))).json()["user"]["mfa"] is True
    again = await clinic.post("/auth/mfa/verify", {"mfaToken": ticket, "code": code_of(begun["secret"])})
    assert again.status_code == 401


async def test_the_password_alone_never_sets_up_another_second_factor(clinic: Clinic) -> None:
    ticket = (await half_way(clinic, await clinic.person("NURSE")))["mfaToken"]
    for path in ("/auth/mfa/enroll", "/auth/passkeys/challenge"):
        answer = await clinic.post(path, {"mfaToken": ticket})
        assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_required")


async def test_the_second_step_of_a_login_takes_a_code_and_is_good_once(clinic: Clinic) -> None:
    person = await clinic.person("DOCTOR")
    first = await half_way(clinic, person)
    assert (first["mfaRequired"], first["methods"]) == (True, ["totp"])
    wrong = await clinic.post("/auth/login", {"mfaToken": first["mfaToken"], "otp": "000000"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_credentials")
    good = {"mfaToken": first["mfaToken"], "otp": person.code()}
    assert "accessToken" in (await clinic.post("/auth/login", good)).json()
    assert (await clinic.post("/auth/login", {**good, "otp": person.code()})).status_code == 401


@pytest.mark.parametrize("steps", [1, 2])
async def test_of_the_same_code_at_once_one_succeeds(clinic: Clinic, steps: int) -> None:
    for _ in range(3):
        person = await clinic.person("DOCTOR")
        body: dict[str, Any] = {"email": person.email, "password": PASSWORD, "otp": person.code()}
        bodies = [body] * 5
        if steps == 2:
            tickets = [(await half_way(clinic, person))["mfaToken"] for _ in range(5)]
            bodies = [{"mfaToken": ticket, "otp": body["otp"]} for ticket in tickets]
        answers = await asyncio.gather(*(clinic.post("/auth/login", each) for each in bodies))
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401]
        assert (await clinic.post("/auth/login", body)).status_code == 401


async def test_a_code_of_an_earlier_step_is_refused_once_a_later_one_was_used(clinic: Clinic) -> None:
    person = await clinic.person("DOCTOR")
    assert person.secret is not None
    step = int(time.time()) // 30
    for number, status in ((step + 1, 200), (step, 401), (step - 1, 401)):
        otp = pyotp.TOTP(person.secret).generate_otp(number)
        body = {"email": person.email, "password": PASSWORD, "otp": otp}
        assert (await clinic.post("/auth/login", body)).status_code == status


async def test_a_recovery_code_is_good_once_even_at_once(clinic: Clinic) -> None:
    person = await clinic.person("PATIENT")
    token = (await clinic.login(person))["accessToken"]
    secret = (await clinic.post("/auth/mfa/enroll", {}, token)).json()["secret"]
    codes = (await clinic.post("/auth/mfa/verify", {"code": code_of(secret)}, token)).json()["recoveryCodes"]
    body = {"email": person.email, "password": PASSWORD, "recoveryCode": codes[0].lower()}
    answers = await asyncio.gather(*(clinic.post("/auth/login", body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    first = await half_way(clinic, person)
    assert first["methods"] == ["totp", "recovery"]
    factors = (await clinic.web.get("/auth/mfa", headers=bearer(token))).json()
    assert (factors["totp"], factors["recoveryCodesLeft"]) == (True, 9)


async def test_a_second_factor_a_role_needs_cannot_be_removed_and_others_only_after_a_fresh_login(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    doctor = await clinic.token("DOCTOR")
    refused = await clinic.web.delete("/auth/mfa", headers=bearer(doctor))
    assert (refused.status_code, refused.json()["code"]) == (409, "mfa_required")
    patient = await clinic.token("PATIENT", app=True)
    with monkeypatch.context() as patch:
        patch.setattr("domain.accounts.second_factors.FRESH_SECONDS", -1)
        stale = await clinic.web.delete("/auth/mfa", headers=bearer(patient))
        assert (stale.status_code, stale.json()["code"]) == (401, "login_again")
    assert (await clinic.web.delete("/auth/mfa", headers=bearer(patient))).status_code == 204


async def test_a_password_too_short_to_stand_alone_needs_a_second_factor(clinic: Clinic) -> None:
    person = await clinic.person("PATIENT", app=True)
    await clinic.post("/auth/password/forgot", {"email": person.email})
    token = await clinic.mailbox.token_to(person.email)
    assert (await clinic.post("/auth/password/reset", {"token": token, "password": "mxkz 73 gr"})).status_code == 204
    login = await clinic.login(person, password="mxkz 73 gr")
    refused = await clinic.web.delete("/auth/mfa", headers=bearer(login["accessToken"]))
    assert refused.status_code == 409


async def passkey_of(clinic: Clinic, token: str) -> Authenticator:
    """A passkey made by who holds the token."""
    authenticator = Authenticator()
    begun = (await clinic.post("/auth/passkeys/challenge", {}, token)).json()
    body = {"credential": authenticator.create(begun["options"]), "passkeyToken": begun["passkeyToken"]}
    made = await clinic.post("/auth/passkeys", {**body, "label": "My key"}, token)
    assert made.status_code == 201, made.text
    assert (await clinic.post("/auth/passkeys", body, token)).status_code == 401
    return authenticator


async def test_a_passkey_is_made_and_logs_in_without_a_password(clinic: Clinic) -> None:
    person = await clinic.person("DOCTOR")
    authenticator = await passkey_of(clinic, (await clinic.login(person))["accessToken"])
    begun = (await clinic.post("/auth/passkey/challenge", {})).json()
    body = {"passkey": authenticator.get(begun["options"]), "passkeyToken": begun["passkeyToken"]}
    answer = await clinic.post("/auth/login", body)
    assert answer.json()["user"]["id"] == person.account.id
    replayed = await clinic.post("/auth/login", body)
    assert replayed.status_code == 401


async def test_a_passkey_is_the_second_step_of_a_login(clinic: Clinic) -> None:
    person = await clinic.person("DOCTOR")
    authenticator = await passkey_of(clinic, (await clinic.login(person))["accessToken"])
    first = await half_way(clinic, person)
    assert "passkey" in first["methods"]
    begun = (await clinic.post("/auth/passkey/challenge", {"mfaToken": first["mfaToken"]})).json()
    assert len(begun["options"]["allowCredentials"]) == 1
    assert begun["options"]["userVerification"] == "required"
    body = {"passkey": authenticator.get(begun["options"]), "passkeyToken": begun["passkeyToken"]}
    answer = await clinic.post("/auth/login", {**body, "mfaToken": first["mfaToken"]})
    assert "accessToken" in answer.json()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"origin": "http://127.0.0.1:8001"}, "another port"),
        ({"origin": "https://127.0.0.1:8000"}, "another scheme"),
        ({"origin": "http://127.0.0.1:8000.evil.example"}, "a longer host"),
        ({"site": "evil.example"}, "another site"),
        ({"verifies": False}, "nobody was verified"),
        ({"count": -1}, "the count stands still: a copy"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_passkey_used_wrongly_is_refused(clinic: Clinic, change: dict[str, Any], why: str) -> None:
    person = await clinic.person("DOCTOR")
    authenticator = await passkey_of(clinic, (await clinic.login(person))["accessToken"])

    async def answer() -> int:
        begun = (await clinic.post("/auth/passkey/challenge", {})).json()
        body = {"passkey": authenticator.get(begun["options"]), "passkeyToken": begun["passkeyToken"]}
        return (await clinic.post("/auth/login", body)).status_code

    assert await answer() == 200
    before = vars(authenticator).copy()
    vars(authenticator).update({**change, "count": authenticator.count + change.get("count", 0)})
    assert await answer() == 401, why
    vars(authenticator).update(before, count=before["count"] + 1)
    assert await answer() == 200


async def test_a_passkey_made_without_verifying_anybody_is_refused(clinic: Clinic) -> None:
    token = await clinic.token("PATIENT")
    begun = (await clinic.post("/auth/passkeys/challenge", {}, token)).json()
    made = Authenticator(verifies=False).create(begun["options"])
    body = {"credential": made, "passkeyToken": begun["passkeyToken"]}
    assert (await clinic.post("/auth/passkeys", body, token)).status_code == 401


async def test_a_passkey_of_somebody_else_does_not_finish_a_login(clinic: Clinic) -> None:
    thief, victim = await clinic.person("DOCTOR"), await clinic.person("DOCTOR")
    authenticator = await passkey_of(clinic, (await clinic.login(thief))["accessToken"])
    ticket = (await half_way(clinic, victim))["mfaToken"]
    begun = (await clinic.post("/auth/passkey/challenge", {"mfaToken": ticket})).json()
    body = {"passkey": authenticator.get(begun["options"]), "passkeyToken": begun["passkeyToken"]}
    assert (await clinic.post("/auth/login", {**body, "mfaToken": ticket})).status_code == 401
    begun = (await clinic.post("/auth/passkey/challenge", {})).json()
    authenticator.user = "".join(reversed(authenticator.user or ""))
    body = {"passkey": authenticator.get(begun["options"]), "passkeyToken": begun["passkeyToken"]}
    assert (await clinic.post("/auth/login", body)).status_code == 401


@pytest.mark.parametrize("passkey", [{}, [], "x", {"rawId": 7}, {"rawId": "!!"}, {"rawId": "YQ", "response": None}])
async def test_what_is_no_passkey_answer_is_refused(clinic: Clinic, passkey: Any) -> None:
    person = await clinic.person("DOCTOR")
    await passkey_of(clinic, (await clinic.login(person))["accessToken"])
    ticket = (await half_way(clinic, person))["mfaToken"]
    begun = (await clinic.post("/auth/passkey/challenge", {"mfaToken": ticket})).json()
    body = {"passkey": passkey, "passkeyToken": begun["passkeyToken"], "mfaToken": ticket}
    assert (await clinic.post("/auth/login", body)).status_code == 401
    alone = {
        "passkey": passkey,
        "passkeyToken": (await clinic.post("/auth/passkey/challenge", {})).json()["passkeyToken"],
    }
    assert (await clinic.post("/auth/login", alone)).status_code == 401


async def test_a_passkey_can_be_removed(clinic: Clinic) -> None:
    person = await clinic.person("PATIENT")
    token = (await clinic.login(person))["accessToken"]
    authenticator = await passkey_of(clinic, token)
    (listed,) = (await clinic.web.get("/auth/mfa", headers=bearer(token))).json()["passkeys"]
    assert listed["label"] == "My key"
    begun = (await clinic.post("/auth/passkey/challenge", {})).json()
    body = {"passkey": authenticator.get(begun["options"]), "passkeyToken": begun["passkeyToken"]}
    fresh = (await clinic.post("/auth/login", body)).json()["accessToken"]
    assert (await clinic.web.delete(f"/auth/passkeys/{listed['id']}", headers=bearer(fresh))).status_code == 204
    assert (await clinic.web.delete(f"/auth/passkeys/{listed['id']}", headers=bearer(fresh))).status_code in (401, 404)


async def test_credentials_never_show_in_a_repr(clinic: Clinic) -> None:
    person = await clinic.person("DOCTOR")
    credentials = await clinic.people.accounts.credentials(person.account.id)
    assert credentials is not None
    shown = (
        repr(credentials) + repr(credentials.totp) + repr(person.account) + repr(msgspec.structs.replace(credentials))
    )
    assert person.secret not in shown
    assert person.email not in shown
    assert "argon2" not in shown
