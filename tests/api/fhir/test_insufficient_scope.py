"""A token that does not reach far enough is told so: https://www.rfc-editor.org/rfc/rfc6750#section-3.1"""

from __future__ import annotations

import httpx
import msgspec
import pytest
from litestar import Litestar

from domain.access import Caller, conditional_scopes, parse_scopes
from tests.api.fhir.callers import PROGRAM, admit, client_of
from tests.api.fhir.ward import build, callers, of_type


def limited(caller: Caller, scope: str, patient: str | None = None) -> Caller:
    return msgspec.structs.replace(
        caller, rights=parse_scopes(scope), scopes=conditional_scopes(scope), patient=patient
    )


@pytest.fixture
async def ward(app: Litestar) -> Litestar:
    people = callers()
    admit(app, {
        **people,
        "reader": limited(PROGRAM, "system/Observation.rs"),
        "doctor": limited(people["DOCTOR"], "user/Observation.rs user/Condition.s?code=a|b"),
        "app": limited(people["DOCTOR"], "patient/Observation.rs", "team"),
    })  # fmt: skip
    async with client_of(app, "program") as program:
        await build(program)
    return app


async def refused(app: Litestar, who: str, method: str, path: str) -> httpx.Response:
    async with client_of(app, who) as client:
        body = of_type("Condition", "team") if method == "POST" else None
        answer = await client.request(method, path, json=body)
    assert answer.status_code == 403, answer.text
    return answer


@pytest.mark.parametrize(
    ("who", "method", "path", "scope"),
    [
        ("reader", "GET", "Patient/team", "system/Patient.r"),
        ("reader", "GET", "Patient?_id=team", "system/Patient.s"),
        ("reader", "POST", "Condition", "system/Condition.c"),
        ("reader", "DELETE", "Observation/none", "system/Observation.d"),
        ("reader", "GET", "Observation?subject:Patient.name=x", "system/Patient.s"),
        ("reader", "GET", "?_type=Patient,Device&_id=x", "system/*.s"),
        ("reader", "GET", "AuditEvent", "system/AuditEvent.s"),
        ("doctor", "GET", "Patient/team", "user/Patient.r"),
        ("app", "GET", "Condition?patient=team", "patient/Condition.s"),
    ],
)
async def test_the_challenge_names_the_scope_that_is_missing(
    ward: Litestar, who: str, method: str, path: str, scope: str
) -> None:
    answer = await refused(ward, who, method, path)
    challenge = answer.headers["www-authenticate"]
    assert challenge == f'Bearer realm="chartvault", error="insufficient_scope", scope="{scope}"'


@pytest.mark.parametrize(
    ("who", "method", "path"),
    [("PHARMACIST", "POST", "Condition"), ("RECEPTIONIST", "GET", "Condition"), ("NURSE", "GET", "Condition/_history")],
)
async def test_what_the_rules_forbid_asks_for_no_other_token(ward: Litestar, who: str, method: str, path: str) -> None:
    assert "www-authenticate" not in (await refused(ward, who, method, path)).headers
