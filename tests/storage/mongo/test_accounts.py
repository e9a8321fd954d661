"""`domain.accounts.ports.Accounts` on the real MongoDB."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from pymongo import MongoClient

from domain.accounts.account import Account, Credentials, Passkey, Standing, Totp
from domain.accounts.ports import AccountQuery
from domain.clinic.notice_ports import Likes
from domain.errors import Conflict, Contention, IntegrityFailure, VersionConflict
from domain.outbox import Parcel
from storage.crypto.keys import Keyring
from storage.mongo.accounts import MongoAccounts
from storage.mongo.client import Database
from storage.mongo.notice_preferences import MongoLikes
from storage.mongo.outbox import MongoOutbox

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
replaced = msgspec.structs.replace


def account(name: str = "a1", **given: Any) -> Account:
    base = Account(
        id=name,
        email=f"{name}@Example.org",
        first_name="Zoë",
        last_name="Lindqvist-Berg",
        status="ACTIVE",
        created=NOW,
        updated=NOW,
    )
    return replaced(base, **given)


@pytest.fixture
def accounts(data: Database, keyring: Keyring) -> MongoAccounts:
    return MongoAccounts(data, keyring)


async def test_what_was_added_is_found_by_id_and_by_any_spelling_of_its_address(accounts: MongoAccounts) -> None:
    one = account(roles=("DOCTOR",), profiles=("Practitioner/1",), organizations=("Organization/1",), asked="NURSE")
    await accounts.add(one, Credentials(account="a1"))
    assert await accounts.find("a1") == one
    assert await accounts.by_email(" A1@eXample.ORG ") == one
    assert await accounts.find_many(["no", "a1"]) == [None, one]
    assert await accounts.by_email("b@example.org") is None


async def test_standings_come_without_opening_anything(
    accounts: MongoAccounts, mongo_admin: MongoClient[dict[str, Any]], database: str
) -> None:
    await accounts.add(account(roles=("NURSE",), profiles=("Practitioner/2",)), Credentials(account="a1"))
    mongo_admin[database]["accounts"].update_one({"_id": "a1"}, {"$set": {"sealed": b"x"}})
    standing = Standing("a1", "ACTIVE", frozenset({"NURSE"}), ("Practitioner/2",), (), 1)
    assert await accounts.standings(["a1", "no"]) == {"a1": standing}
    with pytest.raises(IntegrityFailure):
        await accounts.find("a1")


async def test_an_address_has_one_account_even_when_two_register_at_once(accounts: MongoAccounts) -> None:
    both = [account(name, email=email) for name, email in (("a1", "x@y.org"), ("a2", "X@Y.org"))]
    results = await asyncio.gather(
        *(accounts.add(each, Credentials(account=each.id)) for each in both), return_exceptions=True
    )
    assert [type(result) in (Conflict, Contention) for result in results if result is not None] == [True]
    assert list(results).count(None) == 1
    lost = both[0] if results[0] is not None else both[1]
    assert await accounts.find(lost.id) is None
    assert await accounts.credentials(lost.id) is None


async def test_of_two_changes_to_one_version_only_one_is_stored(accounts: MongoAccounts) -> None:
    one = account()
    await accounts.add(one, Credentials(account="a1"))
    await accounts.replace(replaced(one, first_name="Ana", version=2))
    with pytest.raises(VersionConflict):
        await accounts.replace(replaced(one, first_name="Bea", version=2))
    found = await accounts.find("a1")
    assert found is not None
    assert (found.first_name, found.version) == ("Ana", 2)


async def test_the_last_two_holders_of_a_role_cannot_lose_it_at_once(accounts: MongoAccounts) -> None:
    for name in ("a1", "a2"):
        await accounts.add(account(name, roles=("SUPER_ADMIN",)), Credentials(account=name))
    results = await asyncio.gather(
        *(accounts.replace(account(name, roles=(), version=2), keep="SUPER_ADMIN") for name in ("a1", "a2")),
        return_exceptions=True,
    )
    refused = [result for result in results if result is not None]
    assert [type(result) in (Conflict, Contention) for result in refused] == [True]
    (left,) = [each for each in await accounts.find_many(["a1", "a2"]) if each is not None and each.roles]
    with pytest.raises(Conflict) as last:
        await accounts.replace(replaced(left, status="DISABLED", version=2), keep="SUPER_ADMIN")
    assert last.value.reason == "last_super_admin"


async def test_credentials_open_as_stored_and_compare_and_swap(accounts: MongoAccounts) -> None:
    key = Passkey(b"id", b"cose", 3, "my phone", NOW)
    first = Credentials(
        account="a1", password="$argon2id$…", totp=Totp("SECRET", True, 7), passkeys=(key,), recovery=(b"h",)
    )
    await accounts.add(account(), first)
    assert await accounts.credentials("a1") == first
    second = replaced(first, totp=Totp("SECRET", True, 8), serial=2)
    results = await asyncio.gather(*(accounts.replace_credentials(second) for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results].count(VersionConflict) == 4
    assert await accounts.credentials("a1") == second
    assert await accounts.credentials("a2") is None


async def test_credentials_of_one_person_do_not_open_for_another(
    accounts: MongoAccounts, mongo_admin: MongoClient[dict[str, Any]], database: str
) -> None:
    for name in ("a1", "a2"):
        await accounts.add(account(name), Credentials(account=name, password=name))
    stored = mongo_admin[database]["credentials"]
    mine = stored.find_one({"_id": "a1"})
    assert mine is not None
    stored.update_one({"_id": "a2"}, {"$set": {"sealed": mine["sealed"]}})
    with pytest.raises(IntegrityFailure):
        await accounts.credentials("a2")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (AccountQuery(), ["a1", "a2", "a3"]),
        (AccountQuery(role="NURSE"), ["a2"]),
        (AccountQuery(status="DISABLED"), ["a3"]),
        (AccountQuery(text="zoe"), ["a1", "a3"]),
        (AccountQuery(text="lind BE"), ["a1", "a2", "a3"]),
        (AccountQuery(text="A2@EXAMPLE.org"), ["a2"]),
        (AccountQuery(text="ind"), []),
        (AccountQuery(organizations=("Organization/1",)), ["a2"]),
        (AccountQuery(profile="Practitioner/9"), ["a3"]),
    ],
)
async def test_lists_show_what_the_query_selects(
    accounts: MongoAccounts, query: AccountQuery, found: list[str]
) -> None:
    people = [
        account("a1", roles=("DOCTOR",)),
        account("a2", roles=("NURSE", "DOCTOR"), first_name="Ana", organizations=("Organization/1",)),
        account("a3", status="DISABLED", profiles=("Practitioner/9",)),
    ]
    for each in people:
        await accounts.add(each, Credentials(account=each.id))
    assert [each.id for each in await accounts.page(query, after="", count=10)] == found
    rest = [each.id for each in await accounts.page(query, after="a1", count=1)]
    assert rest == [name for name in found if name > "a1"][:1]


async def test_a_removed_account_leaves_neither_choices_nor_letters(
    accounts: MongoAccounts, data: Database, keyring: Keyring
) -> None:
    likes, outbox = MongoLikes(data, keyring), MongoOutbox(data, keyring, lambda: datetime.now(UTC))
    await likes.keep("a1", Likes(version=1, phone="+4685550100"))
    await likes.keep("a2", Likes(version=1))
    await outbox.put([Parcel(id="p1", channel="mail", kind="letter", content=b"x", to="a1")])
    await accounts.remove("a1")
    assert [each.version for each in await likes.of(["a1", "a2"])] == [0, 1]
    assert await outbox.take("mail") is None
