"""Parcels survive who carries them: taken once, tried again, given up, and delivered to nobody after an erasure."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import bson
import pytest

from domain.outbox import HELD, PAUSES, Parcel, Taken, pause_after
from storage.crypto.keys import Keyring
from storage.mongo.client import Database
from storage.mongo.outbox import MongoOutbox

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbox(data: Database, keyring: Keyring, clock: Clock) -> MongoOutbox:
    return MongoOutbox(data, keyring, clock)


def letter(name: str = "p1", **given: object) -> Parcel:
    fields = {"channel": "mail", "kind": "letter", "content": b"for Ana Lindqvist", **given}
    return Parcel(id=name, **fields)  # type: ignore[arg-type]


async def taken(outbox: MongoOutbox) -> Taken:
    found = await outbox.take("mail")
    assert found is not None
    return found


async def test_a_parcel_is_carried_once_and_forgets_what_was_in_it(data: Database, outbox: MongoOutbox) -> None:
    await outbox.put([letter()])
    takers = [found for found in await asyncio.gather(*(outbox.take("mail") for _ in range(5))) if found is not None]
    assert [found.parcel for found in takers] == [letter()]
    assert await outbox.take("webhook") is None
    await outbox.sent(takers[0], "taken")
    row = await data["outbox"].find_one({})
    assert row is not None
    assert (row["state"], row["said"], "sealed" in row) == ("SENT", "taken", False)
    assert await outbox.take("mail") is None


async def test_a_cause_that_posts_again_sends_once(outbox: MongoOutbox) -> None:
    await asyncio.gather(*(outbox.put([letter(), letter("p2")]) for _ in range(5)))
    await outbox.sent(await taken(outbox), "taken")
    await outbox.put([letter()])
    assert (await taken(outbox)).parcel.id in ("p1", "p2")
    assert await outbox.take("mail") is None


async def test_who_dies_with_a_parcel_leaves_it_to_the_next_and_comes_back_too_late(
    outbox: MongoOutbox, clock: Clock
) -> None:
    await outbox.put([letter()])
    first = await taken(outbox)
    clock.now += HELD - timedelta(seconds=1)
    assert await outbox.take("mail") is None
    clock.now += timedelta(seconds=1)
    second = await taken(outbox)
    await outbox.failed(first, "late", again=None)
    await outbox.sent(first, "late")
    await outbox.failed(second, "451", again=timedelta(minutes=1))
    assert await outbox.take("mail") is None
    clock.now += timedelta(minutes=1)
    assert (await taken(outbox)).tries == 3


async def test_pauses_grow_until_it_is_given_up_and_somebody_may_ask_for_another_round(
    outbox: MongoOutbox, clock: Clock
) -> None:
    await outbox.put([letter(channel="webhook", to="hook")])
    for pause in (*PAUSES, None):
        found = await outbox.take("webhook")
        assert found is not None
        assert pause_after(found.tries) == pause
        await outbox.failed(found, "500", again=pause)
        clock.now += pause or timedelta()
    assert await outbox.take("webhook") is None
    (delivery,) = await outbox.deliveries("hook", after=None, count=9)
    assert (delivery.state, delivery.tries, delivery.said) == ("FAILED", 6, "500")
    assert not await outbox.retry("other", "p1")
    assert await outbox.retry("hook", "p1")
    again = await outbox.take("webhook")
    assert again is not None
    assert (again.tries, again.parcel.content) == (1, b"for Ana Lindqvist")
    assert not await outbox.retry("hook", "p1")


async def test_one_that_cannot_be_delivered_holds_up_no_other(outbox: MongoOutbox) -> None:
    await outbox.put([letter("p1")])
    await outbox.put([letter("p2")])
    await outbox.failed(await taken(outbox), "451", again=timedelta(minutes=1))
    assert (await taken(outbox)).parcel.id == "p2"


async def test_an_erased_patient_is_written_to_nobody(outbox: MongoOutbox, keyring: Keyring) -> None:
    await outbox.put([letter(patient="ana")])
    await keyring.stored.erase("Patient/ana", START)
    keyring.forget("Patient/ana")
    assert (await taken(outbox)).parcel.content == b""
    await outbox.put([letter("p2", patient="ana"), letter("p3")])
    assert (await taken(outbox)).parcel.id == "p3"
    assert await outbox.take("mail") is None


async def test_altered_bytes_are_not_delivered(data: Database, outbox: MongoOutbox) -> None:
    await outbox.put([letter("p1"), letter("p2")])
    other = await data["outbox"].find_one({"_id": "p2"})
    assert other is not None
    await data["outbox"].update_one({"_id": "p1"}, {"$set": {"sealed": other["sealed"]}})
    assert {(await taken(outbox)).parcel.content for _ in range(2)} == {b"", b"for Ana Lindqvist"}


async def test_a_row_does_not_show_what_is_in_the_parcel(data: Database, outbox: MongoOutbox) -> None:
    await outbox.put([letter()])
    row = await data["outbox"].find_one({})
    assert row is not None
    assert b"Lindqvist" not in bson.encode(row)


async def test_deliveries_are_listed_newest_first_page_by_page(outbox: MongoOutbox, clock: Clock) -> None:
    for number in range(5):
        await outbox.put([letter(f"w{number}", channel="webhook", to="hook")])
        clock.now += timedelta(seconds=number % 2)
    first = await outbox.deliveries("hook", after=None, count=3)
    rest = await outbox.deliveries("hook", after=first[-1].id, count=3)
    assert [each.id for each in (*first, *rest)] == ["w4", "w3", "w2", "w1", "w0"]
    await outbox.withdraw("hook")
    assert await outbox.deliveries("hook", after=None, count=3) == []
