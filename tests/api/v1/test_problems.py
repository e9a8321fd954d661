"""Failures as problem documents."""

from __future__ import annotations

import msgspec

from api.v1.problems import problem_of
from domain.errors import Conflict


def test_details_are_members_beside_those_of_every_problem() -> None:
    error = Conflict("This time is taken", reason="slot_taken", details={"alternatives": [{"id": "1"}], "status": 200})
    outcome = problem_of(error, "r-1")
    body = msgspec.json.decode(outcome.body)  # type: ignore[arg-type]
    assert (outcome.status, body["status"], body["code"]) == (409, 409, "slot_taken")
    assert body["alternatives"] == [{"id": "1"}]


def test_a_failure_without_details_says_nothing_more() -> None:
    body = msgspec.json.decode(problem_of(Conflict("No"), "r-1").body)  # type: ignore[arg-type]
    assert body == {
        "title": "Conflict", "status": 409, "detail": "No", "code": "conflict", "requestId": "r-1",
        "type": "about:blank", "errors": [],
    }  # fmt: skip
