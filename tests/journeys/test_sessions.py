"""Logging out, refreshing and stealing, through two worker processes that share nothing but the database."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx

from storage.embedded import EmbeddedMongo
from tests.journeys.accounts import add_account, log_in, origin_of
from tests.journeys.processes import Served, connection

CONNECTIONS, ROUNDS = 40, 20


async def everywhere(served: Served, token: str) -> Counter[int]:
    """The statuses of requests with this token, each on a connection of its own, so that both workers get some."""
    headers = {"authorization": f"Bearer {token}"}

    async def one() -> int:
        async with connection(served.base, headers) as client:
            return (await client.get("/Organization/none")).status_code

    return Counter(await asyncio.gather(*[one() for _ in range(CONNECTIONS)]))


async def refresh(served: Served, token: str) -> httpx.Response:
    async with connection(origin_of(served)) as client:
        return await client.post("/api/v1/auth/refresh", json={"refreshToken": token})


async def test_a_logged_out_token_is_refused_at_the_next_request_on_every_worker(
    two_workers: Served, embedded_mongo: EmbeddedMongo
) -> None:
    assert len(two_workers.workers()) == 2
    email = await add_account(two_workers, embedded_mongo.uri, "PATIENT")
    tokens, other = await log_in(two_workers, email), await log_in(two_workers, email)
    for each in (tokens, other):  # every worker has verified and remembered both
        assert 401 not in await everywhere(two_workers, each["accessToken"])
    headers = {"authorization": f"Bearer {tokens['accessToken']}"}
    async with connection(origin_of(two_workers)) as client:
        assert (await client.post("/api/v1/auth/logout", headers=headers)).status_code == 204
    assert await everywhere(two_workers, tokens["accessToken"]) == {401: CONNECTIONS}
    assert 401 not in await everywhere(two_workers, other["accessToken"])
    assert (await refresh(two_workers, tokens["refreshToken"])).status_code == 401


async def test_two_refreshes_at_once_leave_at_most_one_live_token(
    two_workers: Served, embedded_mongo: EmbeddedMongo
) -> None:
    email = await add_account(two_workers, embedded_mongo.uri, "PATIENT")
    for _ in range(ROUNDS):
        tokens = await log_in(two_workers, email)
        answers = await asyncio.gather(*[refresh(two_workers, tokens["refreshToken"]) for _ in range(2)])
        given = [answer.json() for answer in answers if answer.status_code == 200]
        assert len(given) <= 1
        live = [each for each in given if (await refresh(two_workers, each["refreshToken"])).status_code == 200]
        assert len(live) <= 1


async def test_a_replayed_refresh_token_ends_the_family_on_every_worker(
    two_workers: Served, embedded_mongo: EmbeddedMongo
) -> None:
    email = await add_account(two_workers, embedded_mongo.uri, "PATIENT")
    first = await log_in(two_workers, email)
    second = (await refresh(two_workers, first["refreshToken"])).json()
    assert 401 not in await everywhere(two_workers, second["accessToken"])
    assert (await refresh(two_workers, first["refreshToken"])).status_code == 401
    for token in (first["accessToken"], second["accessToken"]):
        assert await everywhere(two_workers, token) == {401: CONNECTIONS}
    assert (await refresh(two_workers, second["refreshToken"])).status_code == 401
