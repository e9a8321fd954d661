"""Searches: runs the plan of a query, counts, and opens candidates where an index alone cannot answer.

https://hl7.org/fhir/R4/search.html. Every search and every count ends within `search_ms`: what takes longer is refused as
unavailable, never left hanging.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from domain.candidates import Page, Source, needs_opening
from domain.candidates import find as find_opened
from domain.errors import DomainError, Unavailable
from domain.ports import Inspect
from domain.revision import Stored
from domain.search import PageKey, SearchQuery
from storage.crypto.blind_index import TokenMaker
from storage.mongo import range_walk, token_walk
from storage.mongo.client import Database, Document
from storage.mongo.documents import CURRENT_FIELDS, RESOURCES, Sealed, stored_resource
from storage.mongo.failures import translated
from storage.mongo.joint_finds import JointFinds
from storage.mongo.planning import Plan, Sieved, plan_of
from storage.mongo.range_walk import Walk
from storage.mongo.short_finds import MOST_DOCUMENTS
from storage.mongo.token_walk import TokenWalk

SEARCH_MS = 15_000
"""`maxTimeMS` of a search and of its count."""
BATCH = 250
"""Documents per answer of the database: larger ones are decoded in one go, during which nobody else is served."""
BOUNDED_TOTAL, BOUNDED_RANGES = 1_000, 100
"""A total is given unasked up to here; counting on would cost more than the page itself. Ranges cannot be counted in their
index: every document is fetched."""


class Searches:
    """Finds live resources. `open` and `inspect` look inside where the index cannot decide."""

    def __init__(
        self,
        database: Database,
        tokens: TokenMaker,
        *,
        open: Callable[[Sequence[Stored]], Awaitable[list[bytes | DomainError]]],
        inspect: Inspect | None = None,
        found: Callable[[Sequence[Stored]], Awaitable[list[frozenset[str]]]] | None = None,
        search_ms: int = SEARCH_MS,
    ) -> None:
        self._resources = database[RESOURCES]
        self._tokens = tokens
        self._open = open
        self._inspect = inspect
        self._found = found
        self._search_ms = search_ms
        self._joint = JointFinds(self._resources, search_ms=search_ms)

    async def close(self) -> None:
        """Answer what was accepted, refuse the rest."""
        await self._joint.close()

    async def find(self, query: SearchQuery) -> Page:
        """See `domain.ports.RevisionStore.find`."""
        if needs_opening(query):
            if self._inspect is None:
                raise ValueError("this store was given nothing to look inside resources with")
            return await find_opened(Source(self._find, self._open, key_of, self._inspect, self._found), query)
        return await self._find(query)

    async def all(self, query: SearchQuery, limit: int) -> Sequence[Stored]:
        """Everything that satisfies the query, at most `limit`, in no order."""
        whole = msgspec.structs.replace(query, count=limit, after=None, sort="place", order=(), total="none")
        return (await self.find(whole)).matches

    async def _find(self, query: SearchQuery) -> Page:
        plan = plan_of(query, self._tokens)
        if isinstance(plan.walk, Walk) and query.count:
            found = await self._walked(plan, plan.walk, query)
        elif isinstance(plan.walk, TokenWalk) and query.count:
            found = await self._stepped(plan, plan.walk, query)
        else:
            found = await self._matches(plan, query.count + 1) if query.count else []
        more, matches = len(found) > query.count > 0, found[: query.count]
        total: int | None = None
        if query.total != "none":
            # A first page that holds everything has counted it already.
            complete = bool(query.count) and query.after is None and not more
            total = len(matches) if complete else await self._count(plan, bounded=query.total == "bounded")
        return Page(matches, key_of(matches[-1]) if more else None, total)

    async def _matches(self, plan: Plan, limit: int) -> list[Stored]:
        if plan.short is not None and limit <= MOST_DOCUMENTS:
            few = None if plan.sieved is None else await self._sieved(plan.sieved, limit)
            if few is not None:
                return few
            found = await self._joint.documents(plan.short._replace(limit=limit))
            return [stored_resource(document) for document in found]
        cursor = self._resources.find(
            plan.page,
            CURRENT_FIELDS,
            sort=plan.sort,
            limit=limit,
            hint=plan.lead,
            batch_size=BATCH,
            max_time_ms=self._search_ms,
        )
        with translated("The search was not answered"):
            return [stored_resource(document) async for document in cursor]

    async def _sieved(self, sieved: Sieved, limit: int) -> list[Stored] | None:
        """All there is, when that is fewer than `limit` before the sieve; `None` when it would have to hold back more."""
        find = sieved.find._replace(limit=limit)
        if self._joint.is_common(find):
            return None
        documents = await self._joint.documents(find)
        if len(documents) >= limit:
            self._joint.remember_common(find)
            return None
        found = map(stored_resource, documents)
        return [stored for stored in found if all(allows(stored.head) for allows in sieved.allows)]

    async def _walked(self, plan: Plan, walk: Walk, query: SearchQuery) -> list[Stored]:
        """A page in the order of the numbers; every match carries where it stands."""
        after = range_walk.read(query.after)
        found: list[Stored] = []
        for number in range_walk.stretches_after(walk, after):
            cursor = self._resources.find(
                {"$and": [*walk.clauses(number, after), *plan.rest]},
                {**CURRENT_FIELDS, "ranges": 1},
                limit=query.count + 1 - len(found),
                hint=plan.lead,
                batch_size=BATCH,
                max_time_ms=self._search_ms,
            )
            with translated("The search was not answered"):
                found += [
                    _at(document, range_walk.written(walk.position(number, document))) async for document in cursor
                ]
            if len(found) > query.count:
                break
        return found

    async def _stepped(self, plan: Plan, walk: TokenWalk, query: SearchQuery) -> list[Stored]:
        """A page in the order of the tokens; every match carries where it stands."""
        until = time.monotonic() + self._search_ms / 1000
        found: list[Stored] = []
        for clause in walk.clauses(token_walk.read(query.after)):
            cursor = self._resources.find(
                {"$and": [clause, *plan.rest]},
                {**CURRENT_FIELDS, "terms": 1},
                hint=plan.lead,
                batch_size=min(BATCH, query.count + 1),
                max_time_ms=self._search_ms,
            )
            with translated("The search was not answered"):
                async with cursor:
                    async for document in cursor:
                        position = walk.position(document, clause)
                        if position is not None:
                            found.append(_at(document, token_walk.written(position)))
                        if len(found) > query.count:
                            return found
            if time.monotonic() > until:
                raise Unavailable("The search was not answered in time", code="timeout")
        return found

    async def _count(self, plan: Plan, *, bounded: bool) -> int | None:
        most = BOUNDED_RANGES if plan.lead == "ranges" else BOUNDED_TOTAL
        options: dict[str, Any] = {"limit": most + 1} if bounded else {}
        with translated("The search could not be counted"):
            count = await self._resources.count_documents(
                plan.filter, hint=plan.lead, maxTimeMS=self._search_ms, **options
            )
        return None if bounded and count > most else count


def _at(document: Document, position: tuple[str | int | None, ...]) -> Stored:
    """A match of a walk, with where it stands there."""
    stored = stored_resource(document)
    return msgspec.structs.replace(stored, handle=msgspec.structs.replace(stored.handle, position=position))


def key_of(stored: Stored) -> PageKey:
    """Where a match stands, in every order there is."""
    head, handle = stored.head, stored.handle
    if not isinstance(handle, Sealed):
        return PageKey(head.key.id, head.recorded)
    low = handle.low if handle.low is None or isinstance(handle.low, float) else int(handle.low)
    return PageKey(head.key.id, head.recorded, int(handle.place or 0), low, handle.position, head.patient)
