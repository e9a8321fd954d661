"""`domain.ports.RevisionStore` on MongoDB: puts together reads, searches, histories, conditions and commits.

Contract: the port's docstrings; held to `tests/contracts/revision_store.py`. Shapes: `storage/mongo/documents.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from domain.candidates import MAX_OPENED, Page, candidates_of, needs_opening
from domain.cells import Held
from domain.errors import DomainError
from domain.history_query import HistoryQuery
from domain.identity import ResourceKey
from domain.ports import Inspect
from domain.revision import Receipt, Stored, Write
from domain.search import Condition, SearchQuery
from storage.crypto.keys import Keyring
from storage.mongo.client import Database
from storage.mongo.commits import Commits
from storage.mongo.documents import RESOURCES
from storage.mongo.found_words import found_of
from storage.mongo.history import HISTORY_MS, Histories, Versions
from storage.mongo.idempotency import Idempotency
from storage.mongo.joins import Joins, Owners
from storage.mongo.reads import Reads
from storage.mongo.search import SEARCH_MS, Searches
from storage.mongo.walks import Walks


class MongoRevisionStore:
    """The store of one database (`client.data_database`, after `indexes.create_collections`).

    Belongs to the event loop that first uses it. `close` it before client and keyring. `inspect` looks inside resources
    for the searches that need it.
    """

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        inspect: Inspect | None = None,
        *,
        search_ms: int = SEARCH_MS,
        history_ms: int = HISTORY_MS,
    ) -> None:
        self._reads = Reads(database, keyring)
        self._found = partial(found_of, database[RESOURCES], keyring)
        self._searches = Searches(
            database,
            keyring.service.tokens,
            open=self._reads.open,
            inspect=inspect,
            found=self._found,
            search_ms=search_ms,
        )
        self._walks = Walks(database, keyring.service.tokens, search_ms=search_ms)
        self._joins = Joins(database, keyring.service.tokens, search_ms=search_ms)
        self._histories = Histories(database, keyring.service.tokens, history_ms=history_ms)
        self._conditions = Idempotency(database, keyring.service)
        self._commits = Commits(database, keyring)
        self.noticed = self._commits.noticed

    async def close(self) -> None:
        """Answer everything accepted so far, refuse the rest."""
        await self._searches.close()
        await self._reads.close()
        await self._commits.close()

    async def newest(self, key: ResourceKey) -> Stored | None:
        return await self._reads.newest(key)

    async def newest_of(self, keys: Sequence[ResourceKey]) -> list[Stored | None]:
        return await self._reads.newest_of(keys)

    async def version(self, key: ResourceKey, version: int) -> Stored | None:
        return await self._reads.version(key, version)

    async def open(self, stored: Sequence[Stored]) -> list[bytes | DomainError]:
        return await self._reads.open(stored)

    async def found(self, stored: Sequence[Stored]) -> list[frozenset[str]]:
        return await self._found(stored)

    async def find(self, query: SearchQuery) -> Page:
        return await self._searches.find(query)

    async def keys(self, queries: Sequence[SearchQuery], *, limit: int) -> list[ResourceKey]:
        opened = [query for query in queries if needs_opening(query)]
        keys = await self._joins.keys([query for query in queries if query not in opened], limit=limit)
        for query in opened:
            keys += [stored.head.key for stored in await self._searches.all(query, limit)]
        return keys[:limit]

    async def owners(self, query: SearchQuery, *, limit: int) -> Owners:
        if not needs_opening(query):
            return await self._joins.owners(query, limit=limit)
        found = await self._searches.all(query, MAX_OPENED)
        patients = dict.fromkeys(one.head.patient for one in found if one.head.patient is not None)
        return Owners(list(patients)[:limit], [one for one in found if one.head.patient is None][:limit])

    async def pointed_at(self, outer: SearchQuery, source: SearchQuery, parameter: str, *, limit: int) -> list[str]:
        return await self._joins.pointed_at(candidates_of(outer), source, parameter, limit=limit)

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
        return await self._walks.compartment(
            patient, types=types, since=since, after=after, count=count, conditions=conditions
        )

    async def walk(self, *, types: Sequence[str], since: datetime | None, after: str, count: int) -> list[Stored]:
        return await self._walks.walk(types=types, since=since, after=after, count=count)

    async def history(self, query: HistoryQuery) -> Versions:
        return await self._histories.history(query)

    async def claim(self, names: Sequence[str]) -> list[int]:
        return await self._conditions.claim(names)

    async def cells(self, names: Sequence[str]) -> list[Held]:
        return await self._conditions.cells(names)

    async def receipt(self, name: str) -> Receipt | None:
        return await self._conditions.receipt(name)

    async def commit(self, write: Write) -> None:
        await self._commits.commit(write)
