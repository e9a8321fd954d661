"""Finds that share a round trip get exactly what each would have got alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bson import encode
from bson.raw_bson import RawBSONDocument

from domain.errors import Unavailable
from storage.mongo.client import Collection, Database
from storage.mongo.documents import RESOURCES
from storage.mongo.joint_finds import JointFinds
from storage.mongo.short_finds import ORDERS, ShortFind


def token(number: int) -> bytes:
    return number.to_bytes(8)


def a_document(number: int) -> dict[str, Any]:
    """Number n carries token n % 7, every third one token 100, and all of the first 300 the common token 200."""
    tokens = {token(number % 7), *([token(100)] if number % 3 == 0 else []), *([token(200)] if number < 300 else [])}
    dated = {} if number % 5 == 0 else {"low": float(number % 11)}
    return {
        "_id": f"Patient/{number}",
        "type": "Patient",
        "id": str(number),
        "version": 1,
        "deleted": False,
        "updated": number,
        "place": (number * 37) % 1009,
        "terms": sorted(tokens),
        "scoped": sorted(tokens),
        "patient": ("ana", "ben", "cleo")[number % 3],
        **dated,
    }


@pytest.fixture
async def resources(data: Database) -> Collection:
    collection = data[RESOURCES]
    await collection.insert_many([RawBSONDocument(encode(a_document(number))) for number in range(400)])
    return collection


def a_find(lead: Any, *tokens: int, limit: int = 101, **more: Any) -> ShortFind:
    patient = "ana" if lead == "scoped" else None
    return ShortFind(lead, [token(each) for each in tokens], **{"patient": patient, "limit": limit, **more})


async def alone(resources: Collection, find: ShortFind) -> list[str]:
    about = [] if find.patient is None else [{"patient": find.patient}]
    filter_ = {"$and": [{find.lead: {"$in": list(find.tokens)}}, *about, *find.start, *find.rest]}
    cursor = resources.find(filter_, sort=list(ORDERS[find.lead].items()), limit=find.limit)
    return [document["_id"] async for document in cursor]


OLD = {"updated": {"$lt": 150}}
SHAPES = {
    "one shape": [a_find("terms", number) for number in range(8)],
    "lists of tokens that overlap": [a_find("terms", 1, 2), a_find("terms", 2, 100, limit=150), a_find("terms", 5, 9)],
    "patients and codes": [
        *(a_find("scoped", 1), a_find("scoped", 1, patient="ben"), a_find("scoped", 2, 3, patient="ben")),
        *(a_find("scoped", 2), a_find("scoped", 100, patient="cleo"), a_find("scoped", 0, patient="nobody")),
    ],
    "in the order of dates": [a_find("scoped", number) for number in (0, 3, 100, 999)],
    "two indexes": [a_find("terms", 1), a_find("scoped", 1), a_find("terms", 2), a_find("scoped", 100)],
    "the same filter": [a_find("terms", 1, rest=[OLD]), a_find("terms", 2, rest=[OLD])],
    "other filters": [a_find("terms", 1, rest=[OLD]), a_find("terms", 1), a_find("terms", 1, rest=[{"version": 2}])],
    "later pages": [a_find("terms", 1, start=[{"place": {"$gt": 500}}]), a_find("terms", 1)],
    "a common token": [a_find("terms", 200, limit=20), a_find("terms", 3, limit=20), a_find("terms", 100, limit=20)],
    "the same twice": [a_find("terms", 4), a_find("terms", 4)],
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_each_gets_what_it_would_get_alone(resources: Collection, shape: str) -> None:
    joint = JointFinds(resources, search_ms=15_000)
    for _ in range(2):  # Common tokens are known the second time.
        found = await asyncio.gather(*(joint.documents(find) for find in SHAPES[shape]))
        names = [[document["_id"] for document in each] for each in found]
        assert names == [await alone(resources, find) for find in SHAPES[shape]]
    await joint.close()


async def test_one_that_cannot_be_answered_fails_alone(resources: Collection) -> None:
    joint = JointFinds(resources, search_ms=15_000)
    finds = [a_find("terms", 1), a_find("terms", 2, rest=[{"$nothing": 1}]), a_find("terms", 3)]
    first, refused, third = await asyncio.gather(*(joint.documents(find) for find in finds), return_exceptions=True)
    assert isinstance(refused, Unavailable)
    for find, found in ((finds[0], first), (finds[2], third)):
        assert not isinstance(found, BaseException)
        assert [document["_id"] for document in found] == await alone(resources, find)
    await joint.close()


async def test_finds_of_one_shape_are_one_command(resources: Collection) -> None:
    joint = JointFinds(resources, search_ms=15_000)
    asked: list[int] = []
    original = joint._asked

    async def counted(parts: Any) -> Any:
        asked.append(len(parts))
        return await original(parts)

    joint._asked = counted  # type: ignore[method-assign]
    await asyncio.gather(*(joint.documents(find) for find in SHAPES["one shape"]))
    assert asked == [1]
    await joint.close()
