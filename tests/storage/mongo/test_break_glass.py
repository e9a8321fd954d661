"""The grants on MongoDB keep the contract; a reason goes with its patient's key."""

from __future__ import annotations

import pytest

from domain.errors import IntegrityFailure
from storage.crypto.keys import Keyring
from storage.mongo.break_glass import MongoGrantBook
from storage.mongo.client import Database
from storage.mongo.erasure import destroy_key
from tests.contracts.break_glass import START, Clock, GrantBookContract, grant


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(data: Database, keyring: Keyring, clock: Clock) -> MongoGrantBook:
    return MongoGrantBook(data, keyring, clock)


class TestMongoGrantBook(GrantBookContract):
    pass


async def test_the_reason_of_an_erased_patient_is_gone_and_the_fact_stays(
    book: MongoGrantBook, keyring: Keyring
) -> None:
    await book.add(grant(1))
    await destroy_key(keyring, "7", START)
    found = await book.find("grant-1")
    assert found is not None
    assert (found.reason, found.account, found.patient) == ("", "dr-a", "7")


async def test_a_reason_moved_to_another_grant_is_refused(book: MongoGrantBook, data: Database) -> None:
    await book.add(grant(1))
    await book.add(grant(2))
    moved = await data["break_glass"].find_one({"_id": "grant-1"})
    assert moved is not None
    await data["break_glass"].update_one({"_id": "grant-2"}, {"$set": {"reason": moved["reason"]}})
    with pytest.raises(IntegrityFailure):
        await book.find("grant-2")


async def test_looking_a_grant_up_reads_one_index_entry(book: MongoGrantBook, data: Database) -> None:
    for number in range(50):
        await book.add(grant(number, account=f"dr-{number}"))
    plan = await data["break_glass"].find(book._active("dr-7")).explain()
    assert plan["executionStats"]["totalDocsExamined"] == 1
