"""The words of documents beside the database's other secrets: sealed, bound to their place, checked by `verify`."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import MongoClient

from domain.identity import FhirJson, ResourceKey
from domain.revision import Description, Stored
from storage.crypto.keys import Keyring
from storage.mongo.client import Database
from storage.mongo.revisions import MongoRevisionStore
from storage.mongo.verification import verify
from tests.contracts.writes import change, write

WORDS = frozenset({"ulcus", "ventriculi"})
NAMES = ("DocumentReference/a", "DocumentReference/b")


async def two(store: MongoRevisionStore) -> list[Stored]:
    for name in NAMES:
        await store.commit(write(change(ResourceKey(*name.split("/")), patient="x", found=WORDS | {name[-1]})))
    return [one for one in await store.newest_of([ResourceKey(*name.split("/")) for name in NAMES]) if one]


async def test_words_moved_to_another_resource_are_no_words(
    store: MongoRevisionStore, mongo_admin: MongoClient[dict[str, Any]], database: str
) -> None:
    stored = await two(store)
    resources = mongo_admin[database]["resources"]
    moved = resources.find_one({"_id": NAMES[0]})
    assert moved is not None
    assert b"ulcus" not in moved["found_words"]
    resources.update_one({"_id": NAMES[1]}, {"$set": {"found_words": moved["found_words"], "found": moved["found"]}})
    assert await store.found(stored) == [WORDS | {"a"}, frozenset()]


class Plain:
    """Describes what `change` makes."""

    def describe(self, content: FhirJson, key: ResourceKey) -> Description:
        return Description(patient="x", patients=("x",))

    def sensitivity(self, content: FhirJson, resource_type: str) -> list[str]:
        return []


@pytest.mark.parametrize(
    "damage",
    [
        {"$set": {"found": b"\0" * 256}},
        {"$unset": {"found": 1}},
        {"$unset": {"found_words": 1}},
        {"$set": {"found_words": b"\1" * 60}},
    ],
    ids=str,
)
async def test_words_that_were_touched_are_named(
    store: MongoRevisionStore,
    data: Database,
    keyring: Keyring,
    mongo_admin: MongoClient[dict[str, Any]],
    database: str,
    damage: dict[str, Any],
) -> None:
    await two(store)
    await store.close()
    assert [each async for each in verify(data, keyring, Plain())] == []
    mongo_admin[database]["resources"].update_one({"_id": NAMES[1]}, damage)
    findings = [each async for each in verify(data, keyring, Plain())]
    assert [(each.kind, each.where) for each in findings] == [("index", NAMES[1])]
