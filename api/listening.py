"""Which searches a search asks first: the store as `chartvault explain` listens to it while chains are solved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from domain.identity import ResourceKey
from domain.ports import Owners, RevisionStore, SearchPage
from domain.search import SearchQuery

Wanted: TypeAlias = Literal["page", "names", "owners"]


class Heard(NamedTuple):
    """One search that was asked: for a page of matches, for the names of all, or for whose they are."""

    wanted: Wanted
    query: SearchQuery


class Listening:
    """Answers like the store it stands before, and remembers what it was asked to select."""

    def __init__(self, store: RevisionStore) -> None:
        self._store = store
        self.heard: list[Heard] = []

    async def find(self, query: SearchQuery) -> SearchPage:
        self.heard.append(Heard("page", query))
        return await self._store.find(query)

    async def keys(self, queries: Sequence[SearchQuery], *, limit: int) -> list[ResourceKey]:
        self.heard += [Heard("names", query) for query in queries]
        return await self._store.keys(queries, limit=limit)

    async def owners(self, query: SearchQuery, *, limit: int) -> Owners:
        self.heard.append(Heard("owners", query))
        return await self._store.owners(query, limit=limit)

    async def pointed_at(self, outer: SearchQuery, source: SearchQuery, parameter: str, *, limit: int) -> list[str]:
        self.heard.append(Heard("names", outer))
        return await self._store.pointed_at(outer, source, parameter, limit=limit)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
