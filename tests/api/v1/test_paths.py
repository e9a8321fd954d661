"""Paths of the table to their endpoints."""

from __future__ import annotations

import pytest

from api.v1.endpoint import Endpoint, Outcome, Visit
from api.v1.paths import Paths
from api.v1.service import Service
from api.v1.table import TABLE


async def nothing(_: Service, __: Visit) -> Outcome:
    return Outcome()


PATHS = Paths(
    [
        Endpoint("GET", path, path, nothing)
        for path in ("/a", "/a/me", "/a/{id}", "/a/{id}/b", "/a/{id}/{other}", "/a/me/{other}")
    ]
)


@pytest.mark.parametrize(
    ("path", "pattern", "params"),
    [
        ("/a", "/a", {}),
        ("/a/me", "/a/me", {}),
        ("/a/x", "/a/{id}", {"id": "x"}),
        ("/a/x%2Fy", "/a/{id}", {"id": "x/y"}),
        ("/a/x/b", "/a/{id}/b", {"id": "x"}),
        ("/a/me/z", "/a/me/{other}", {"other": "z"}),
        ("/a/x/z", "/a/{id}/{other}", {"id": "x", "other": "z"}),
    ],
)
def test_a_literal_segment_wins_over_a_parameter(path: str, pattern: str, params: dict[str, str]) -> None:
    found = PATHS.find(path)
    assert found is not None
    assert (found.endpoints["GET"].path, found.params) == (pattern, params)


@pytest.mark.parametrize("path", ["", "/", "a", "/b", "/a/", "/a/x/b/c", "/A"])
def test_nothing_answers_a_path_that_is_not_in_the_table(path: str) -> None:
    found = PATHS.find(path)
    assert found is None or found.params.get("id") == ""


def test_every_endpoint_is_found_under_its_own_path() -> None:
    paths = Paths(TABLE)
    for endpoint in TABLE:
        found = paths.find(endpoint.path)
        assert found is not None
        assert found.endpoints[endpoint.method] is endpoint
