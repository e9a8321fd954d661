"""What is stored, from two sides: the plain structure from MongoDB, the contents as clients get them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
from pymongo import MongoClient

from tests.journeys.acknowledged import Stored
from tests.journeys.load import SYSTEM

Admin = MongoClient[dict[str, Any]]


async def evidence(client: httpx.AsyncClient, admin: Admin, database: str) -> Stored:
    """Everything stored in `database`, for the checker. Nobody may be writing."""
    data = admin[database]
    marks = {name: mark async for name, mark in _marks(client)}
    names = {found["_id"] for found in data["revisions"].find({}, {"_id": 1})}
    assert names == marks.keys(), "the history of the server is not what is stored"
    audited = [target for entry in data["audit"].find() if _of_a_change(entry) for target in entry["targets"]]
    current = {found["_id"]: found["version"] for found in data["resources"].find({}, {"version": 1})}
    return Stored(marks, current, audited)


def _of_a_change(entry: Mapping[str, Any]) -> bool:
    """Whether an audit entry belongs to a commit that changed something: a conditional create may find what it wants."""
    of_commit = entry["_id"].rpartition("-")[0].endswith("-w")
    return of_commit and (entry["interaction"], entry["status"]) != ("create", 200)


async def _marks(client: httpx.AsyncClient) -> AsyncIterator[tuple[str, str]]:
    """Every version in the server's history with the mark it carries."""
    url: str | None = "_history?_count=1000"
    while url is not None:
        answer = await client.get(url)
        assert answer.status_code == 200, answer.text
        bundle = answer.json()
        for entry in bundle.get("entry", ()):
            resource = entry["resource"]
            (mark,) = [each["value"] for each in resource["identifier"] if each["system"] == SYSTEM]
            yield f"{resource['resourceType']}/{resource['id']}/{resource['meta']['versionId']}", mark
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
