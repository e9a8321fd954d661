"""Tickets, counted failures and kept answers on the real MongoDB, with a clock of our own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from domain.accounts.ports import Limit, Ticket
from domain.errors import Contention, RepeatedKey
from storage.crypto.keys import Keyring
from storage.mongo.attempts import LONGEST_WAIT_SECONDS, MongoAttempts
from storage.mongo.client import Database
from storage.mongo.replays import HELD, MongoReplays
from storage.mongo.tickets import MongoTickets

HOUR = timedelta(hours=1)


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tickets(data: Database, keyring: Keyring, clock: Clock) -> MongoTickets:
    return MongoTickets(data, keyring, clock)


@pytest.fixture
def attempts(data: Database, keyring: Keyring, clock: Clock) -> MongoAttempts:
    return MongoAttempts(data, keyring.service, clock)


@pytest.fixture
def replays(data: Database, keyring: Keyring, clock: Clock) -> MongoReplays:
    return MongoReplays(data, keyring, clock)


async def test_of_many_who_redeem_a_ticket_one_gets_it(tickets: MongoTickets) -> None:
    token = await tickets.issue("verify-email", Ticket("a1", b"1980-02-03"), HOUR)
    assert await tickets.look("verify-email", token) == Ticket("a1", b"1980-02-03")
    found = await asyncio.gather(*(tickets.redeem("verify-email", token) for _ in range(10)))
    assert [ticket for ticket in found if ticket is not None] == [Ticket("a1", b"1980-02-03")]
    assert await tickets.look("verify-email", token) is None


async def test_a_ticket_is_good_for_its_purpose_and_its_time_only(tickets: MongoTickets, clock: Clock) -> None:
    token = await tickets.issue("verify-email", Ticket("a1"), HOUR)
    assert await tickets.redeem("reset-password", token) is None
    assert await tickets.redeem("verify-email", token + "x") is None
    clock.forward(3600)
    assert await tickets.look("verify-email", token) is None
    assert await tickets.redeem("verify-email", token) is None


async def test_all_tickets_of_an_account_end_at_once(tickets: MongoTickets) -> None:
    mine = [await tickets.issue("reset-password", Ticket("a1"), HOUR) for _ in range(2)]
    other = await tickets.issue("reset-password", Ticket("a2"), HOUR)
    await tickets.revoke("a1")
    assert [await tickets.look("reset-password", token) for token in (*mine, other)] == [None, None, Ticket("a2")]


async def test_a_stolen_database_holds_no_token(
    tickets: MongoTickets, mongo_admin: MongoClient[dict[str, Any]], database: str
) -> None:
    token = await tickets.issue("reset-password", Ticket("a1", b"Chalmers"), HOUR)
    stored = str(list(mongo_admin[database]["tickets"].find()))
    assert token not in stored
    assert "Chalmers" not in stored


async def test_the_wait_doubles_up_to_a_quarter_of_an_hour_and_is_a_day_in_the_end(
    attempts: MongoAttempts, clock: Clock
) -> None:
    limit, waits = Limit("ana", free=2, most=20), []
    for _ in range(20):
        assert await attempts.begin([limit]) == 0
        wait = await attempts.begin([limit])
        if wait == 0:
            continue
        waits.append(wait)
        clock.forward(wait)
    assert waits[:4] == [2, 4, 8, 16]
    assert LONGEST_WAIT_SECONDS in waits
    assert waits[-1] == 86_400


async def test_a_refused_attempt_is_not_counted_and_success_forgets_all(attempts: MongoAttempts, clock: Clock) -> None:
    limit = Limit("ana", free=0, most=9)
    assert await attempts.begin([limit]) == 0
    assert [await attempts.begin([limit]) for _ in range(5)] == [2] * 5
    clock.forward(2)
    assert await attempts.begin([limit]) == 0
    assert await attempts.begin([limit]) == 4
    await attempts.succeeded(["ana"])
    assert await attempts.begin([limit]) == 0


async def test_the_longest_wait_of_several_limits_counts(attempts: MongoAttempts) -> None:
    strict, mild = Limit("strict", 0, 9), Limit("mild", 5, 9)
    assert await attempts.begin([strict, mild]) == 0
    assert await attempts.begin([strict, mild]) == 2
    assert await attempts.begin([mild]) == 0


async def test_an_answer_is_kept_for_its_request_and_no_other(replays: MongoReplays) -> None:
    assert await replays.begin("k", b"f") is None
    with pytest.raises(Contention):
        await replays.begin("k", b"f")
    await replays.keep("k", b"answer")
    assert await replays.begin("k", b"f") == b"answer"
    with pytest.raises(RepeatedKey):
        await replays.begin("k", b"other")
    await replays.forget("k")
    assert await replays.begin("k", b"f") == b"answer"


async def test_a_failed_request_and_one_whose_process_died_can_be_tried_again(
    replays: MongoReplays, clock: Clock
) -> None:
    assert await replays.begin("failed", b"f") is None
    await replays.forget("failed")
    assert await replays.begin("failed", b"f") is None
    assert await replays.begin("died", b"f") is None
    clock.forward(HELD.total_seconds() + 1)
    results = await asyncio.gather(*(replays.begin("died", b"f") for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results].count(type(None)) == 1
    assert [type(result) for result in results].count(Contention) == 4
