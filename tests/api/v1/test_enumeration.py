"""Nobody learns from an answer who has an account: known and unknown addresses get the same, for the same work.

How long both take is measured by hand: `tests/benchmarks/test_enumeration_times.py`.
"""

from __future__ import annotations

import secrets

import httpx
import pytest
from pwdlib.hashers.argon2 import Argon2Hasher

from tests.api.v1.clinic import Clinic

OWN_OF_A_REQUEST = {"date", "x-request-id", "ratelimit"}


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What argon2 was asked for meanwhile, in order."""
    seen: list[str] = []
    for name in ("hash", "verify"):

        def watched(self, *given, name=name, really=getattr(Argon2Hasher, name), **options):  # type: ignore[no-untyped-def]
            seen.append(name)
            return really(self, *given, **options)

        monkeypatch.setattr(Argon2Hasher, name, watched)
    return seen


def seen_in(answer: httpx.Response, email: str) -> tuple[int, bytes, list[tuple[str, str]]]:
    """Everything that an answer tells, but for what is different in each."""
    content = answer.content.replace(answer.headers["x-request-id"].encode(), b"REQUEST").replace(
        email.encode(), b"SENT"
    )
    return answer.status_code, content, [row for row in answer.headers.items() if row[0] not in OWN_OF_A_REQUEST]


async def test_a_wrong_password_is_verified_and_answered_alike_for_known_and_unknown_addresses(
    clinic: Clinic, hashed: list[str]
) -> None:
    known = (await clinic.person("PATIENT")).email
    answers = []
    for email in (known, "nobody@example.org"):
        hashed.clear()
        answer = await clinic.post("/auth/login", {"email": email, "password": "a wrong password"})
        assert answer.status_code == 401
        assert hashed == ["verify"]
        answers.append(seen_in(answer, email))
    assert answers[0] == answers[1]


FORMS = {
    "/auth/password/forgot": ({}, []),
    "/auth/verify-email/resend": ({}, []),
    "/auth/register": ({"password": "a sentence nobody else has 7!", "firstName": "A", "lastName": "B"}, ["hash"]),
}


@pytest.mark.parametrize("path", FORMS)
async def test_forms_are_answered_alike_for_known_and_unknown_addresses(
    clinic: Clinic, hashed: list[str], path: str
) -> None:
    form, work = FORMS[path]
    known = (await clinic.person("PATIENT")).email
    answers = []
    for email in (known, f"{secrets.token_hex(6)}@example.org"):
        hashed.clear()
        answer = await clinic.post(path, {**form, "email": email})
        assert answer.status_code == 202
        assert hashed == work
        answers.append(seen_in(answer, email))
    assert answers[0] == answers[1]
