"""Searches: conditions to a filter, a sort and a page key. https://hl7.org/fhir/R4/search.html

Terms are matched as tokens, which hold the resource type already, so one index on `terms` serves every parameter of
every type, and an `_id` range is the type. The rarest condition comes first and alone decides the index.
A page starts strictly after a key, never at an offset: nothing is doubled or left out while others write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from domain.revision import Stored
from domain.search import AnyTerm, Condition, IdIn, Linked, PageKey, PatientIn, SearchQuery, Updated, in_order
from storage.crypto.blind_index import TokenMaker
from storage.mongo.client import Database, Document
from storage.mongo.documents import CURRENT_FIELDS, RESOURCES, stored_resource
from storage.mongo.failures import translated

SEARCH_MS = 15_000
"""`maxTimeMS` of a search and of its count."""


class Page(NamedTuple):
    """`domain.ports.SearchPage`."""

    matches: Sequence[Stored]
    next: PageKey | None
    total: int | None


class Searches:
    """Finds live resources."""

    def __init__(self, database: Database, tokens: TokenMaker, *, search_ms: int = SEARCH_MS) -> None:
        self._resources = database[RESOURCES]
        self._tokens = tokens
        self._search_ms = search_ms

    async def find(self, query: SearchQuery) -> Page:
        """See `domain.ports.RevisionStore.find`."""
        selected = filter_of(query, self._tokens)
        found: list[Stored] = []
        if query.count:
            found = await self._matches(query, selected)
        more, matches = len(found) > query.count, found[: query.count]
        total: int | None = None
        if query.total == "accurate":
            # A first page that holds everything has counted it already.
            total = len(matches) if query.count and query.after is None and not more else await self._count(selected)
        last = matches[-1].head if more else None
        return Page(matches, None if last is None else PageKey(last.key.id, last.recorded), total)

    async def _matches(self, query: SearchQuery, selected: Document) -> list[Stored]:
        after = after_of(query)
        cursor = self._resources.find(
            {"$and": [*selected["$and"], *after]} if after else selected,
            CURRENT_FIELDS,
            sort=sort_of(query),
            limit=query.count + 1,
            max_time_ms=self._search_ms,
        )
        with translated("The search was not answered"):
            return [stored_resource(document) for document in await cursor.to_list()]

    async def _count(self, selected: Document) -> int:
        with translated("The search could not be counted"):
            return await self._resources.count_documents(selected, maxTimeMS=self._search_ms)


def filter_of(query: SearchQuery, tokens: TokenMaker) -> Document:
    """The filter of a query without its page: `{"$and": [...]}`, rarest condition first, live resources of the type."""
    clauses = [_clause(condition, query.type, tokens) for condition in in_order(query.conditions)]
    # "0" is the character after "/": the range is exactly the names "Type/…".
    clauses.append({"_id": {"$gte": f"{query.type}/", "$lt": f"{query.type}0"}})
    clauses.append({"type": query.type, "deleted": False})
    return {"$and": clauses}


def _clause(condition: Condition, resource_type: str, tokens: TokenMaker) -> Document:
    match condition:
        case AnyTerm(terms, negated):
            made = tokens.tokens(resource_type, terms)
            if negated:
                return {"terms": {"$nin": made}}
            return {"terms": made[0] if len(made) == 1 else {"$in": made}}
        case IdIn(ids, negated):
            return {"_id": {"$nin" if negated else "$in": [f"{resource_type}/{name}" for name in ids]}}
        case PatientIn(patients):
            return {"compartments": {"$in": list(patients)}}
        case Updated():
            return _updated(condition)
        case Linked():
            raise ValueError("a chain must be solved before the query that holds it")


def _updated(condition: Updated) -> Document:
    low, high = condition.low, condition.high
    if condition.outside:
        outside = [{"updated": {"$lt": low}}] if low is not None else []
        if high is not None:
            outside.append({"updated": {"$gte": high}})
        return {"$or": outside} if outside else {"_id": {"$in": []}}
    bounds = ({"$gte": low} if low is not None else {}) | ({"$lt": high} if high is not None else {})
    return {"updated": bounds} if bounds else {}


def sort_of(query: SearchQuery) -> list[tuple[str, int]]:
    direction = -1 if query.sort.startswith("-") else 1
    if query.sort.endswith("_lastUpdated"):
        return [("updated", direction), ("_id", direction)]
    return [("_id", direction)]


def after_of(query: SearchQuery) -> list[Document]:
    """Clauses that start strictly after the page key in the query's order; none on a first page."""
    if query.after is None:
        return []
    name, moment = f"{query.type}/{query.after.id}", query.after.updated
    beyond = "$lt" if query.sort.startswith("-") else "$gt"
    if not query.sort.endswith("_lastUpdated"):
        return [{"_id": {beyond: name}}]
    later: dict[str, Any] = {"updated": {beyond: moment}}
    # The first clause is implied by the second; it gives the index its bound.
    return [{"updated": {f"{beyond}e": moment}}, {"$or": [later, {"updated": moment, "_id": {beyond: name}}]}]
