"""What a machine makes of the documentation: requests of every shape it allows and forbids, and answers held to it.

No answer may be a server error, a status that is not documented, or a body of another shape than its schema. By default a
sample; CHARTVAULT_CASES=40 gives about that many requests for each endpoint and role.
https://schemathesis.readthedocs.io
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, cast

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from api.docs import openapi
from api.settings import Settings
from domain.access import Role
from tests.api.v1.clinic import Clinic, bearer
from tests.api.v1.ward import Ward

pytestmark = pytest.mark.slow

CASES = int(os.environ.get("CHARTVAULT_CASES", "1"))
ROLES: tuple[Role, ...] = ("ADMIN", "DOCTOR", "PATIENT")
STREAMS = ("/notifications/events",)
"""Answers without an end."""
LEFT_OUT = ("/auth/logout", *STREAMS)
"""And what would end the session the requests are made with."""
schemathesis.checks.load_all_checks()
CHECKS = schemathesis.checks.CHECKS.get_by_names(
    ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]
)


@pytest.fixture(scope="module")
def installation(installation: Settings) -> Settings:
    """With somebody to carry out everything, so that nothing is answered with 501."""
    return msgspec.structs.replace(installation, payment_gateway="stub", video_demo_url="https://video.example.org/")


def operations() -> list[Any]:
    """The operations of `/api/v1`, by method and path."""
    document = openapi()
    document["paths"] = {path: item for path, item in document["paths"].items() if path.startswith("/api/v1/")}
    schema = schemathesis.openapi.from_dict(document)
    found = [result.ok() for result in schema.get_all_operations()]
    return [each for each in found if not each.path.endswith(LEFT_OUT)]


class Tried:
    """Cases of one role, asked of the application that lives in another thread's event loop."""

    def __init__(self, web: Any, token: str, loop: asyncio.AbstractEventLoop, known: dict[str, str]) -> None:
        self._web = web
        self._token = token
        self._loop = loop
        self._known = known
        self.count = 0
        self.failures: list[str] = []

    def ask(self, case: Any, real: bool) -> None:
        """One request; with `real`, about somebody who exists."""
        if real and case.path_parameters:
            noun = case.operation.path.split("/")[3]
            case.path_parameters = {
                **case.path_parameters,
                **({"id": self._known[noun]} if noun in self._known else {}),
            }
        given = case.as_transport_kwargs(base_url="http://127.0.0.1:8000")
        given.pop("cookies", None)
        given["headers"] = {**given.get("headers", {}), **bearer(self._token)}
        waiting = asyncio.run_coroutine_threadsafe(self._web.request(**given), self._loop)
        answer = waiting.result(60)
        self.count += 1
        case.validate_response(answer, checks=CHECKS)


def try_all(tried: Tried, number: int) -> None:
    """Every operation, `CASES` times as the documentation allows."""
    for operation in operations():

        @seed(number)
        @settings(
            max_examples=CASES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(), real=st.booleans())
        def one(case: Any, real: bool) -> None:
            tried.ask(case, real)

        try:
            cast(Any, one)()
        except (Exception, BaseExceptionGroup) as failure:
            tried.failures.append(f"{operation.label}: {failure}")


@pytest.mark.parametrize("role", ROLES)
async def test_no_request_finds_an_answer_that_is_not_documented(role: Role, ward: Ward, clinic: Clinic) -> None:
    known = {"patients": ward.patient, "doctors": ward.names["DOCTOR"]}
    web = await ward.web(role)
    token = web.headers["authorization"].removeprefix("Bearer ")
    tried = Tried(clinic.web, token, asyncio.get_running_loop(), known)
    await asyncio.to_thread(try_all, tried, int(os.environ["CHARTVAULT_SEED"]))
    print(f"{tried.count} requests as {role}")
    assert not tried.failures, "\n\n".join(tried.failures)
