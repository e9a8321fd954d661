"""Time does not tell who has an account, nor whose record there is.

Both sides are measured in turn, so that whatever else the machine does falls on both alike; of a few rounds the quietest
counts. That both do the same work is shown without a clock by `tests/api/v1/test_enumeration.py`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Mapping

import pytest

from domain.accounts.account import folded_email
from tests.api.fhir.test_access_probes import UNKNOWN, Ward
from tests.api.v1.clinic import Clinic

ROUNDS = 5


async def require_alike(both: Mapping[str, Callable[[int], Awaitable[None]]], times: int, most: float) -> None:
    """In one of the rounds the medians differ by no more than the factor `most`."""
    ratios: list[float] = []
    for turn in range(ROUNDS):
        taken: dict[str, list[float]] = {name: [] for name in both}
        for number in range(times):
            for name in sorted(both, reverse=bool(number % 2)):
                began = time.perf_counter()
                await both[name](turn * times + number)
                taken[name].append(time.perf_counter() - began)
        medians = {name: statistics.median(each) * 1_000 for name, each in taken.items()}
        ratios.append(max(medians.values()) / min(medians.values()))
        print(times, {name: f"{ms:.2f} ms" for name, ms in medians.items()}, f"{ratios[-1]:.3f} x")
        if ratios[-1] <= most:
            return
    pytest.fail(f"medians differ by {min(ratios):.2f} x")


@pytest.mark.parametrize(("logins", "most"), [(30, 1.25), (200, 1.10)])
async def test_a_login_with_a_known_and_an_unknown_address(clinic: Clinic, logins: int, most: float) -> None:
    def failed(email: str) -> Callable[[int], Awaitable[None]]:
        folded = folded_email(email)

        async def log_in(_: int) -> None:
            answer = await clinic.post("/auth/login", {"email": email, "password": "a wrong password"})
            assert answer.status_code == 401
            await clinic.people.attempts.succeeded([folded, f"{folded}|network|10.1.2.3"])

        return log_in

    known = (await clinic.person("PATIENT")).email
    await require_alike({"known": failed(known), "unknown": failed("nobody@example.org")}, logins, most)


FORMS = {
    "/auth/password/forgot": {},
    "/auth/register": {"password": "a sentence nobody else has 7!", "firstName": "A", "lastName": "B"},
}


@pytest.mark.parametrize("path", FORMS)
async def test_a_form_with_a_known_and_an_unknown_address(clinic: Clinic, path: str) -> None:
    known = (await clinic.person("PATIENT")).email

    async def send(email: str) -> None:
        assert (await clinic.post(path, {**FORMS[path], "email": email})).status_code == 202

    both = {
        "known": lambda _: send(known),
        "unknown": lambda number: send(f"unknown-{number}{path[6]}@example.org"),
    }
    await require_alike(both, 5, 1.25)


async def test_the_record_of_a_stranger_and_an_unknown_id(ward: Ward) -> None:
    async def ask(name: str) -> None:
        assert (await ward.doctor.get(name)).status_code == 404

    both = {"stranger": ward.theirs["Condition"], "unknown": f"Condition/{UNKNOWN}"}
    await require_alike({name: lambda _, asked=asked: ask(asked) for name, asked in both.items()}, 60, 2.0)
