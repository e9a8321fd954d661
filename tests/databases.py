"""Databases of the tests, used again: to create the collections and indexes of one costs 0.2 s of processor time.

Used again is only what is as `create_collections` makes it, once it is empty; the key vault is always a new one.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymongo
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from storage.mongo.indexes import INDEXES

Admin = MongoClient[dict[str, Any]]
MOST_DOCUMENTS = 2_000
"""More are dropped faster than removed."""
PATIENCE_SECONDS = 10
"""A transaction that a killed process has left keeps its documents for a minute."""


class Databases:
    """Those of one test process, and which of them are as new."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin
        self._as_new: list[str] = []

    @contextmanager
    def one(self) -> Iterator[str]:
        """The name of an empty database, to which `<name>_keys` belongs too."""
        name = self._as_new.pop() if self._as_new else f"test_{secrets.token_hex(6)}"
        yield name
        self._admin.drop_database(f"{name}_keys")
        if emptied(self._admin, name):
            self._as_new.append(name)
        else:
            self._admin.drop_database(name)


def emptied(admin: Admin, name: str) -> bool:
    """Remove every document, unless the database is not as new otherwise; whether it is as new now."""
    data = admin[name]
    try:
        with pymongo.timeout(PATIENCE_SECONDS):
            if data.command("dbstats")["objects"] > MOST_DOCUMENTS or not has_all_and_no_more(admin, name):
                return False
            for collection in INDEXES:
                data[collection].delete_many({})
    except PyMongoError:
        return False
    return True


def has_all_and_no_more(admin: Admin, name: str) -> bool:
    """Whether collections and indexes are those that are declared."""
    data = admin[name]
    if {each["name"]: each.get("options") for each in data.list_collections()} != {
        collection: {} for collection in INDEXES
    }:
        return False
    for collection, declared in INDEXES.items():
        found = {index: dict(spec["key"]) for index, spec in data[collection].index_information().items()}
        wanted = {index.document["name"]: dict(index.document["key"]) for index in declared}
        if found != {"_id_": {"_id": 1}, **wanted}:
            return False
    return True
