"""The documentation of `/api/v1`: every example is accepted, every status is explained, every endpoint is there."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from api.errors import HTTP_STATUS
from api.v1.endpoint import Endpoint
from api.v1.openapi import SAID, paths_and_schemas
from api.v1.table import TABLE

PATHS, SCHEMAS = paths_and_schemas(TABLE)


def operation(endpoint: Endpoint) -> dict[str, Any]:
    found: dict[str, Any] = PATHS[f"/api/v1{endpoint.path}"][endpoint.method.lower()]
    return found


@pytest.mark.parametrize("endpoint", TABLE, ids=lambda each: f"{each.method} {each.path}")
def test_the_example_of_a_body_is_accepted_and_that_of_an_answer_is_possible(endpoint: Endpoint) -> None:
    described = operation(endpoint)
    if endpoint.body is not None:
        example = described["requestBody"]["content"]["application/json"]["example"]
        msgspec.json.decode(msgspec.json.encode(example), type=endpoint.body)
    if endpoint.answers is not None:
        example = described["responses"][str(endpoint.status)]["content"]["application/json"]["example"]
        assert set(example) == {each.encode_name for each in msgspec.structs.fields(endpoint.answers)}


@pytest.mark.parametrize("endpoint", TABLE, ids=lambda each: f"{each.method} {each.path}")
def test_every_endpoint_says_what_it_does_and_what_it_refuses(endpoint: Endpoint) -> None:
    described = operation(endpoint)
    assert len(described["summary"]) > 5
    statuses = set(map(int, described["responses"]))
    assert endpoint.status in statuses
    assert {429, 503} <= statuses
    assert endpoint.public or {401, 403} <= statuses
    assert "default" not in described["responses"]


def test_every_status_a_failure_can_have_is_explained() -> None:
    assert set(HTTP_STATUS.values()) <= set(SAID)


def test_a_second_status_of_success_has_the_same_answer() -> None:
    (endpoint,) = [each for each in TABLE if (each.method, each.path) == ("PUT", "/prescriptions/{id}")]
    described = operation(endpoint)["responses"]
    assert described["200"] == described["201"]
