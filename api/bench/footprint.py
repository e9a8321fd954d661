"""What the current resources of a database weigh, and each of their indexes: `collStats`.

https://www.mongodb.com/docs/manual/reference/command/collStats/. Sizes on disk are those of the last checkpoint, and the
program's account may not ask for one: they are read after the minute within which the next one comes.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from pymongo import AsyncMongoClient

CHECKPOINT_SECONDS = 65.0


class Footprint(msgspec.Struct, frozen=True):
    """`resources` counts documents; bytes are on disk, per resource in `per_resource`."""

    resources: int
    documents: int
    indexes: dict[str, int]

    @property
    def per_resource(self) -> dict[str, float]:
        """Bytes of each index per resource, and of all of them as `all`."""
        count = max(1, self.resources)
        return {name: size / count for name, size in {**self.indexes, "all": sum(self.indexes.values())}.items()}


async def footprint(
    mongodb_uri: str, database: str, collection: str = "resources", *, wait: float = CHECKPOINT_SECONDS
) -> Footprint:
    """The sizes of a collection after the next checkpoint."""
    await asyncio.sleep(wait)
    async with AsyncMongoClient[dict[str, Any]](mongodb_uri) as client:
        found = await client[database].command("collStats", collection)
        return Footprint(found["count"], found["storageSize"], found["indexSizes"])
