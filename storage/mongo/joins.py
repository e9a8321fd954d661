"""What other searches need to know of a search: which resources it selects, and whose they are. Nothing is opened.

https://hl7.org/fhir/R4/search.html#chaining. Only names and owners leave the database: a chain over a thousand patients
is a few dozen kilobytes instead of a thousand records.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from domain.errors import Unavailable
from domain.identity import ResourceKey
from domain.revision import Stored
from domain.search import AnyTerm, OfPatients, SearchQuery, reference_term
from storage.crypto.blind_index import TokenMaker
from storage.mongo.client import Database, Document
from storage.mongo.documents import CURRENT_FIELDS, RESOURCES, stored_resource
from storage.mongo.failures import translated
from storage.mongo.planning import filtering, plan_of

MOST_WALKS = 20
"""Values for which the index is walked one by one."""
BATCH = 5_000
"""Names of one answer of the database: larger ones are decoded in one go, during which nobody else is served."""
MOST_UNOWNED = 1_000
CANDIDATES = 1_000
"""Resources that are looked up together by what points at them."""


class Owners(NamedTuple):
    """`domain.ports.Owners`."""

    patients: Sequence[str]
    unowned: Sequence[Stored]


class Joins:
    """Selects by queries whose chains are solved."""

    def __init__(self, database: Database, tokens: TokenMaker, *, search_ms: int) -> None:
        self._resources = database[RESOURCES]
        self._tokens = tokens
        self._search_ms = search_ms

    async def keys(self, queries: Sequence[SearchQuery], *, limit: int) -> list[ResourceKey]:
        """See `domain.ports.RevisionStore.keys`."""
        if not queries:
            return []
        cursor = self._resources.find(
            any_of(queries, self._tokens),
            {"type": 1, "id": 1},
            limit=limit,
            batch_size=min(limit, BATCH),
            max_time_ms=self._search_ms,
        )
        with translated("The search was not answered"):
            return [ResourceKey(document["type"], document["id"]) async for document in cursor]

    async def owners(self, query: SearchQuery, *, limit: int) -> Owners:
        """See `domain.ports.RevisionStore.owners`."""
        values = walked(query, self._tokens)
        if values is not None:
            return Owners(await self._walked(values, limit), [])
        selected = selection(query, self._tokens)
        grouped = [*owners_of(selected), {"$limit": limit + 1}]
        with translated("The search was not answered"):
            cursor = await self._resources.aggregate(grouped, maxTimeMS=self._search_ms)
            owners = [document["_id"] async for document in cursor]
            unowned: list[Stored] = []
            if None in owners:
                nobodys = {"$and": [selected, {"patient": None}]}
                most = min(limit, MOST_UNOWNED)
                found = self._resources.find(nobodys, CURRENT_FIELDS, limit=most, max_time_ms=self._search_ms)
                unowned = [stored_resource(document) async for document in found]
        return Owners([owner for owner in owners if owner is not None][:limit], unowned)

    async def _walked(self, values: Sequence[bytes], limit: int) -> list[str]:
        """Whose resources have one of these values: one index entry for each patient, and no document, is looked at."""
        owners: dict[str, None] = {}
        for value in values:
            distinct = [*owners_of({"scoped": value}), {"$limit": limit}]
            with translated("The search was not answered"):
                cursor = await self._resources.aggregate(
                    distinct, hint="scoped", batchSize=min(limit, BATCH), maxTimeMS=self._search_ms
                )
                owners.update([(document["_id"], None) async for document in cursor])
        return list(owners)[:limit]

    async def pointed_at(self, outer: SearchQuery, source: SearchQuery, parameter: str, *, limit: int) -> list[str]:
        """See `domain.ports.RevisionStore.pointed_at`: candidates in chunks, asked after by the tokens of references to
        them, so that no resource is opened and no more than a chunk is held here."""
        until = time.monotonic() + self._search_ms / 1000
        cursor = self._resources.find(
            selection(outer, self._tokens), {"id": 1}, batch_size=CANDIDATES, max_time_ms=self._search_ms
        )
        conditions = [each for each in filtering(source, self._tokens) if each]
        found: list[str] = []
        with translated("The search was not answered"):
            async with cursor:
                while len(found) < limit and (batch := await cursor.to_list(CANDIDATES)):
                    if time.monotonic() > until:
                        raise Unavailable("The search was not answered in time", code="timeout")
                    ids = [document["id"] for document in batch]
                    terms = [reference_term(parameter, f"{outer.type}/{id_}") for id_ in ids]
                    tokens = dict(zip(self._tokens.tokens(source.type, terms), ids, strict=True))
                    found += [tokens[token] for token in await self._carried(list(tokens), conditions)]
        return found[:limit]

    async def _carried(self, tokens: Sequence[bytes], conditions: Sequence[Document]) -> list[bytes]:
        """Which of these tokens something carries that satisfies the conditions."""
        grouped: list[Document] = [
            {"$match": {"$and": [{"terms": {"$in": tokens}}, *conditions]}},
            {"$project": {"_id": 0, "terms": 1}},
            {"$unwind": "$terms"},
            {"$match": {"terms": {"$in": tokens}}},
            {"$group": {"_id": "$terms"}},
        ]
        cursor = await self._resources.aggregate(grouped, hint="terms", maxTimeMS=self._search_ms)
        return [document["_id"] async for document in cursor]


def walked(query: SearchQuery, tokens: TokenMaker) -> list[bytes] | None:
    """The values along which the owners of a query are walked; `None` when all it selects has to be grouped."""
    match query.conditions:
        case (OfPatients(None, terms),) if len(terms) <= MOST_WALKS:
            return tokens.tokens(query.type, terms)
    return None


def owners_of(selected: Document) -> list[Document]:
    """The stages that tell whose the selected resources are."""
    return [{"$match": selected}, {"$group": {"_id": "$patient"}}]


def any_of(queries: Sequence[SearchQuery], tokens: TokenMaker) -> Document:
    """The filter of several queries. Those of one term list each (`subject.identifier` over a hundred types) become a
    single list: tokens belong to one type, so nothing else has to be asked."""
    alone: list[bytes] = []
    branches: list[Document] = []
    for query in queries:
        match query.conditions:
            case (AnyTerm(terms, False, shelf="terms"),):
                alone += tokens.tokens(query.type, terms)
            case _:
                branches.append(selection(query, tokens))
    if alone:
        branches.append({"terms": {"$in": alone}, "deleted": False})
    return branches[0] if len(branches) == 1 else {"$or": branches}


def selection(query: SearchQuery, tokens: TokenMaker) -> Document:
    """The filter of everything a query selects, for whoever wants it in no order: an index leads that would not in another."""
    unordered = msgspec.structs.replace(query, sort="place", after=None)
    return {"$and": [*plan_of(unordered, tokens).filter["$and"], {"type": query.type, "deleted": False}]}
