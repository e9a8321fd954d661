"""What is stored is weighed on a real MongoDB."""

from __future__ import annotations

from typing import Any

from pymongo import MongoClient

from api.bench.footprint import footprint


async def test_documents_are_counted_and_every_index_is_weighed(
    mongo_uri: str, database: str, mongo_admin: MongoClient[dict[str, Any]]
) -> None:
    collection = mongo_admin[database]["resources"]
    collection.create_index("terms", name="terms")
    collection.insert_many([{"terms": [number]} for number in range(50)])
    found = await footprint(mongo_uri, database, wait=0)
    assert found.resources == 50
    assert set(found.indexes) == {"_id_", "terms"}
    assert found.per_resource["all"] == sum(found.indexes.values()) / 50 > 0
