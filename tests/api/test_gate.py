"""Limits over HTTP: who is refused, how they are told, and that it is recorded."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar

from api.gate import network_of
from api.settings import Settings
from tests.api.fhir.callers import admit, client_of, person

LIMIT = 12


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, rate_limit=LIMIT, rate_limit_network=5 * LIMIT)


async def until_refused(client: httpx.AsyncClient, path: str) -> tuple[int, httpx.Response]:
    """How many requests passed, and the first that did not."""
    for number in range(10 * LIMIT):
        answer = await client.get(path)
        if answer.status_code == 429:
            return number, answer
    raise AssertionError("nothing was refused")


async def test_a_caller_who_asks_too_often_is_told_when_to_come_back(
    app: Litestar, mongo_admin: Any, database: str
) -> None:
    admit(app, {"dr-a": person("dr-a", "DOCTOR"), "dr-b": person("dr-b", "DOCTOR")})
    async with client_of(app, "dr-a") as client, client_of(app, "dr-b") as other:
        first = await client.get("Patient/1")
        assert first.headers["ratelimit-policy"] == f'"caller";q={LIMIT};w=60'
        assert first.headers["ratelimit"].startswith(f'"caller";r={LIMIT - 1};t=')
        passed, refused = await until_refused(client, "Patient/1")
        assert LIMIT - 1 <= passed <= LIMIT + 1
        assert 1 <= int(refused.headers["retry-after"]) <= 70
        assert refused.headers["ratelimit"] == f'"caller";r=0;t={refused.headers["retry-after"]}'
        assert refused.json()["issue"][0]["code"] == "throttled"
        assert (await other.get("Patient/1")).status_code == 404
    recorded = [row["status"] for row in mongo_admin[database]["audit"].find({"subject": "dr-a"})]
    assert recorded.count(429) == 1


async def test_a_network_is_refused_on_both_surfaces_whoever_asks(
    app: Litestar, mongo_admin: Any, database: str
) -> None:
    transport = httpx.ASGITransport(app, client=("203.0.113.5", 1))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as stranger:
        passed, _ = await until_refused(stranger, "/fhir/Patient/1")
        assert 5 * LIMIT - 1 <= passed <= 5 * LIMIT + 2
        answer = await stranger.get("/api/v1/users")
        assert answer.status_code == 429
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "throttled"
        assert int(answer.headers["retry-after"]) >= 1
    rates = list(mongo_admin[database]["rates"].find())
    assert rates
    assert "203.0.113.5" not in str(rates)


async def test_an_entry_of_a_batch_counts_like_a_request(app: Litestar) -> None:
    admit(app, {"dr-a": person("dr-a", "DOCTOR")})
    entry = {"request": {"method": "GET", "url": "Patient/1"}}
    async with client_of(app, "dr-a") as client:
        answer = await client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": [entry] * 3 * LIMIT})
    statuses = [row["response"]["status"][:3] for row in answer.json()["entry"]]
    assert LIMIT - 2 <= statuses.count("404") <= LIMIT + 1
    assert set(statuses) == {"404", "429"}


def test_an_address_stands_for_its_network() -> None:
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert network_of("::ffff:203.0.113.5") == network_of("203.0.113.5") == "203.0.113.5"
    assert network_of(None) == network_of("unix") == "unknown"
