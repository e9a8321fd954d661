"""Guessing is slowed down, the owner is not locked out: ACCESS section 2 (lockout), RELIABILITY A8."""

from __future__ import annotations

import asyncio

import pytest

from domain.accounts import signing_in
from domain.accounts.signing_in import network_of
from tests.api.v1.clinic import PASSWORD, Clinic


async def test_failures_from_one_place_are_slowed_down_with_retry_after(clinic: Clinic) -> None:
    person = await clinic.person("PATIENT")
    wrong = {"email": person.email, "password": "wrong"}
    statuses = [(await clinic.post("/auth/login", wrong)).status_code for _ in range(8)]
    assert statuses == [401] * 6 + [429] * 2
    refused = await clinic.post("/auth/login", {**wrong, "password": PASSWORD})
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 2
    assert refused.json()["code"] == "too_many_attempts"


async def test_guesses_sent_at_once_count_like_guesses_one_after_the_other(clinic: Clinic) -> None:
    person = await clinic.person("PATIENT")
    wrong = {"email": person.email, "password": "wrong"}
    answers = await asyncio.gather(*(clinic.post("/auth/login", wrong) for _ in range(20)))
    assert [answer.status_code for answer in answers].count(401) == 6


async def test_an_unknown_address_is_slowed_down_like_a_known_one(clinic: Clinic) -> None:
    wrong = {"email": "not-there@example.org", "password": "wrong"}
    statuses = [(await clinic.post("/auth/login", wrong)).status_code for _ in range(8)]
    assert statuses == [401] * 6 + [429] * 2


async def test_a_stranger_who_fails_from_everywhere_does_not_stop_the_owner_on_a_known_device(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_in, "FREE_ANYWHERE", 4)
    person = await clinic.person("PATIENT")
    device = (await clinic.login(person))["device"]
    for number in range(8):
        async with clinic.elsewhere(f"198.51.100.{number}") as web:
            await web.post("/auth/login", json={"email": person.email, "password": "wrong"})
    right = {"email": person.email, "password": PASSWORD}
    async with clinic.elsewhere("203.0.113.9") as web:
        assert (await web.post("/auth/login", json=right)).status_code == 429
        forged = await web.post("/auth/login", json={**right, "device": "x" * 32})
        assert forged.status_code == 429
        assert (await web.post("/auth/login", json={**right, "device": device})).status_code == 200
    await clinic.login(person)


async def test_a_reset_by_letter_frees_the_account(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing_in, "FREE_ANYWHERE", 2)
    person = await clinic.person("PATIENT")
    for number in range(5):
        async with clinic.elsewhere(f"198.51.100.{number}") as web:
            await web.post("/auth/login", json={"email": person.email, "password": "wrong"})
    await clinic.post("/auth/password/forgot", {"email": person.email})
    token = await clinic.mailbox.token_to(person.email)
    new = "quite another sentence 8"
    assert (await clinic.post("/auth/password/reset", {"token": token, "password": new})).status_code == 204
    async with clinic.elsewhere("203.0.113.10") as web:
        assert (await web.post("/auth/login", json={"email": person.email, "password": new})).status_code == 200


async def test_codes_are_guessed_as_slowly_as_passwords_by_who_has_the_password(clinic: Clinic) -> None:
    person = await clinic.person("DOCTOR")
    right = {"email": person.email, "password": PASSWORD}
    statuses: list[int] = []
    for _ in range(8):
        await clinic.post("/auth/login", right)  # a right password must not wipe out the guesses
        statuses.append((await clinic.post("/auth/login", {**right, "otp": "000000"})).status_code)
    assert statuses == [401] * 6 + [429] * 2


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (None, "unknown"),
        ("nonsense", "unknown"),
    ],
)
def test_a_household_is_one_network(address: str | None, network: str) -> None:
    assert network_of(address) == network
