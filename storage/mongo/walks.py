"""Reading resources one after the other in the order of their names: a patient's record, everything of some types.

Names sort as (type, id) does, since no type's name goes on where another one's ends with a slash; so a page that starts
after a name neither misses nor repeats what no write has touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.revision import Stored
from domain.search import Condition
from storage.crypto.blind_index import TokenMaker
from storage.mongo.clauses import clause
from storage.mongo.client import Database, Document
from storage.mongo.documents import CURRENT_FIELDS, RESOURCES, stored_resource
from storage.mongo.failures import translated
from storage.mongo.search import BATCH


class Walks:
    """Live resources in order. Nothing is opened."""

    def __init__(self, database: Database, tokens: TokenMaker, *, search_ms: int) -> None:
        self._tokens = tokens
        self._resources = database[RESOURCES]
        self._search_ms = search_ms

    async def compartment(
        self,
        patient: str,
        *,
        types: Sequence[str],
        since: datetime | None,
        after: str,
        count: int,
        conditions: Mapping[str, Sequence[Condition]] | None = None,
    ) -> list[Stored]:
        """See `domain.ports.RevisionStore.compartment`: a range of the index on compartments, in its own order."""
        first = {"$gte": after.partition("/")[0]} if after else {}
        selected: Document = {
            "compartments": patient,
            "type": {"$in": list(types), **first},
            "_id": {"$gt": after},
            "deleted": False,
        }
        if since is not None:
            selected["updated"] = {"$gte": since}
        if conditions:
            selected["$or"] = self._by_type(types, conditions)
        cursor = self._resources.find(
            selected,
            CURRENT_FIELDS,
            sort=[("type", 1), ("_id", 1)],
            limit=count,
            batch_size=BATCH,
            max_time_ms=self._search_ms,
        )
        with translated("The record was not read"):
            return [stored_resource(document) async for document in cursor]

    def _by_type(self, types: Sequence[str], conditions: Mapping[str, Sequence[Condition]]) -> list[Document]:
        """One branch for the types of which nothing is asked, one for each other."""
        free: list[Document] = [{"type": {"$in": [name for name in types if name not in conditions]}}]
        for name, asked in conditions.items():
            clauses = [clause(each, name, self._tokens, leads=False) for each in asked]
            free.append({"$and": [{"type": name}, *clauses]})
        return free

    async def walk(self, *, types: Sequence[str], since: datetime | None, after: str, count: int) -> list[Stored]:
        """See `domain.ports.RevisionStore.walk`: one range of names after the other."""
        found: list[Stored] = []
        for name in sorted(types):
            if f"{name}0" <= after or len(found) == count:
                continue
            selected: Document = {"_id": {"$gt": max(after, f"{name}/"), "$lt": f"{name}0"}, "deleted": False}
            if since is not None:
                selected |= {"type": name, "updated": {"$gte": since}}
            cursor = self._resources.find(
                selected,
                CURRENT_FIELDS,
                sort=[("_id", 1)],
                limit=count - len(found),
                batch_size=BATCH,
                max_time_ms=self._search_ms,
            )
            with translated("The resources were not read"):
                found += [stored_resource(document) async for document in cursor]
        return found
