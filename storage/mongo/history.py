"""Histories: versions of an instance, a type or the system, newest first. https://hl7.org/fhir/R4/http.html#history

`_since` and `before` bound the time of the versions. `_at` asks what was current at some moment of an interval: a
version counts from its own time until the time of the next one, which revisions, being append-only, do not hold; a
window over the versions of each resource supplies it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from domain.history_query import HistoryKey, HistoryQuery
from domain.revision import Stored
from storage.crypto.blind_index import TokenMaker
from storage.mongo.clauses import ANY_TYPE, clause
from storage.mongo.client import Database, Document
from storage.mongo.documents import RESOURCES, REVISION_FIELDS, REVISIONS, stored_revision
from storage.mongo.failures import translated
from storage.mongo.search import BATCH

HISTORY_MS = 15_000
NEWEST_FIRST = {"recorded": -1, "_id": -1}


class Versions(NamedTuple):
    """`domain.ports.HistoryPage`."""

    versions: Sequence[Stored]
    next: HistoryKey | None
    total: int


class Histories:
    """Finds versions."""

    def __init__(self, database: Database, tokens: TokenMaker, *, history_ms: int = HISTORY_MS) -> None:
        self._revisions = database[REVISIONS]
        self._tokens = tokens
        self._history_ms = history_ms

    async def history(self, query: HistoryQuery) -> Versions:
        """See `domain.ports.RevisionStore.history`."""
        stages = [*selection_of(query), *self._access(query)]
        found: list[Stored] = []
        if query.count:
            found = await self._page(query, stages)
        more, versions = len(found) > query.count, found[: query.count]
        total = len(versions) if query.count and query.after is None and not more else await self._count(stages)
        if not more:
            return Versions(versions, None, total)
        last = versions[-1].head
        return Versions(versions, HistoryKey(last.recorded, last.key.at(last.version)), total)

    def _access(self, query: HistoryQuery) -> list[Document]:
        """The stages that leave what access allows: of the version as it was, and of the resource as it is now. They come
        before any limit and before counting."""
        if not query.conditions:
            return []
        clauses = [clause(each, ANY_TYPE, self._tokens, leads=False) for each in query.conditions]
        newest: Document = {
            "from": RESOURCES,
            "let": {"name": {"$concat": ["$type", "/", "$id"]}},
            "pipeline": [
                {"$match": {"$and": [{"$expr": {"$eq": ["$_id", "$$name"]}}, *clauses]}},
                {"$project": {"_id": 1}},
            ],
            "as": "now",
        }
        return [{"$match": {"$and": clauses}}, {"$lookup": newest}, {"$match": {"now": {"$ne": []}}}]

    async def _page(self, query: HistoryQuery, stages: Sequence[Document]) -> list[Stored]:
        after: list[Document] = []
        if query.after is not None:
            moment, name = query.after.recorded, query.after.name
            earlier = [{"recorded": {"$lt": moment}}, {"recorded": moment, "_id": {"$lt": name}}]
            after = [{"$match": {"recorded": {"$lte": moment}, "$or": earlier}}]
        page = [*stages, *after, {"$sort": NEWEST_FIRST}, {"$limit": query.count + 1}]
        with translated("The history was not answered"):
            if query.at_low is None:
                cursor = await self._revisions.aggregate(
                    [*page, {"$project": REVISION_FIELDS}], maxTimeMS=self._history_ms, batchSize=BATCH
                )
                return [stored_revision(document) async for document in cursor]
            # Names first: the window then carries no contents.
            cursor = await self._revisions.aggregate([*page, {"$project": {"_id": 1}}], maxTimeMS=self._history_ms)
            names = [document["_id"] for document in await cursor.to_list()]
            versions = self._revisions.find({"_id": {"$in": names}}, REVISION_FIELDS, max_time_ms=self._history_ms)
            found = {document["_id"]: document for document in await versions.to_list()}
            return [stored_revision(found[name]) for name in names]

    async def _count(self, stages: Sequence[Document]) -> int:
        with translated("The history could not be counted"):
            cursor = await self._revisions.aggregate([*stages, {"$count": "n"}], maxTimeMS=self._history_ms)
            return sum(document["n"] for document in await cursor.to_list())


def selection_of(query: HistoryQuery) -> list[Document]:
    """The stages that leave exactly the versions a history selects, in no order."""
    scope = _scope(query)
    recorded: Document = {}
    if query.since is not None:
        recorded["$gte"] = query.since
    if query.at_low is None and query.at_high is None:
        return [{"$match": scope | ({"recorded": recorded} if recorded else {})}]
    if query.at_high is not None:
        scope["recorded"] = {"$lt": query.at_high}
    stages: list[Document] = [{"$match": scope}]
    if query.at_low is not None:
        stages += [_with_next(), {"$match": {"$or": [{"until": None}, {"until": {"$gt": query.at_low}}]}}]
    return [*stages, {"$match": {"recorded": recorded}}] if recorded else stages


def _scope(query: HistoryQuery) -> Document:
    scope: Document = {}
    if query.key is not None:
        scope = {"type": query.key.type, "id": query.key.id}
    elif query.type is not None:
        scope = {"type": query.type}
    return scope


def _with_next() -> Document:
    """Adds `until`: when the version stopped being current; null while it is, as far as the interval goes."""
    return {
        "$setWindowFields": {
            "partitionBy": {"type": "$type", "id": "$id"},
            "sortBy": {"version": 1},
            "output": {"until": {"$shift": {"output": "$recorded", "by": 1, "default": None}}},
        }
    }
