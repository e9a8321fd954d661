"""What the tests themselves rely on: a database that is used again is as new."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pymongo.database import Database as AdminDatabase

from storage.mongo.client import Database
from tests.databases import Admin, emptied


async def test_a_used_database_is_empty_afterwards(data: Database, mongo_admin: Admin) -> None:
    for collection in ("resources", "audit"):
        await data[collection].insert_one({"_id": "x"})
    assert emptied(mongo_admin, data.name)
    assert mongo_admin[data.name].command("dbstats")["objects"] == 0


CHANGES: dict[str, Callable[[AdminDatabase[dict[str, Any]]], object]] = {
    "an index is gone": lambda data: data["resources"].drop_index("terms"),
    "an index is new": lambda data: data["resources"].create_index("other"),
    "an index has another key": lambda data: (
        data["resources"].drop_index("terms"), data["resources"].create_index("other", name="terms"),
    ),
    "a collection is gone": lambda data: data["audit"].drop(),
    "a collection is new": lambda data: data.create_collection("more"),
    "a collection checks what it gets": lambda data: data.command("collMod", "audit", validator={"x": 1}),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
async def test_a_database_that_was_changed_is_not_used_again(change: str, data: Database, mongo_admin: Admin) -> None:
    CHANGES[change](mongo_admin[data.name])
    assert not emptied(mongo_admin, data.name)
