"""Reads by id and the opening of what was found.

All reads waiting share one `find` with `$in` (one find each tops out at a fifth of that, MEASUREMENTS.md). Finding
opens nothing: access is decided on the plain head first. Opening fetches the keys of a whole page with one command, and
a page whose keys are at hand is opened without waiting for anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.errors import DomainError, Gone, IntegrityFailure
from domain.identity import ResourceKey
from domain.revision import Head, Stored
from storage.crypto.keys import Keyring
from storage.crypto.sealing import SealingKey, open_sealed, place
from storage.mongo.batching import Breath, Job, OneInFlight
from storage.mongo.client import READ_MS, Collection, Database
from storage.mongo.documents import (
    CURRENT_FIELDS,
    RESOURCES,
    REVISION_FIELDS,
    REVISIONS,
    Sealed,
    stored_resource,
    stored_revision,
)
from storage.mongo.failures import translated
from storage.mongo.lane import Lane

MOST_NAMES = 1_000

Names = tuple[str, ...]
Found = list[Mapping[str, Any] | None]


class Lookups:
    """Documents of one collection by `_id`, batched."""

    def __init__(self, collection: Collection, fields: Mapping[str, Any]) -> None:
        self._lane = Lane(collection.database, zoned=False)
        self._collection = collection.name
        self._fields = fields
        self._batches = OneInFlight[Names, Found](self._find, most=MOST_NAMES, weigh=len)

    async def documents(self, names: Names) -> Found:
        """The document of each name, in order; `None` where there is none. Raises `Unavailable`."""
        return await self._batches.submit(names)

    async def close(self) -> None:
        await self._batches.close()
        await self._lane.close()

    async def _find(self, jobs: Sequence[Job[Names, Found]]) -> None:
        wanted = list({name for job in jobs for name in job.item})
        with translated("The database does not answer"):
            rows = await self._lane.find(
                self._collection, {"_id": {"$in": wanted}}, self._fields, limit=len(wanted), maxTimeMS=READ_MS
            )
        found = {document["_id"]: document for document in rows}
        for job in jobs:
            job.answer([found.get(name) for name in job.item])


class Reads:
    """Newest and older versions by name, and `open`. `close` it before the client."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._keyring = keyring
        self._resources = Lookups(database[RESOURCES], CURRENT_FIELDS)
        self._revisions = Lookups(database[REVISIONS], REVISION_FIELDS)

    async def close(self) -> None:
        await self._resources.close()
        await self._revisions.close()

    async def newest(self, key: ResourceKey) -> Stored | None:
        (document,) = await self._resources.documents((str(key),))
        return None if document is None else stored_resource(document)

    async def newest_of(self, keys: Sequence[ResourceKey]) -> list[Stored | None]:
        if not keys:
            return []
        documents = await self._resources.documents(tuple(map(str, keys)))
        return [None if document is None else stored_resource(document) for document in documents]

    async def version(self, key: ResourceKey, version: int) -> Stored | None:
        (document,) = await self._revisions.documents((key.at(version),))
        return None if document is None else stored_revision(document)

    async def open(self, stored: Sequence[Stored]) -> list[bytes | DomainError]:
        keys = await self._keys({one.handle.key for one in stored if one.handle.key is not None})
        if len(stored) == 1:
            return [self._open(stored[0].head, stored[0].handle, keys)]
        opened: list[bytes | DomainError] = []
        breath = Breath()
        for one in stored:
            opened.append(self._open(one.head, one.handle, keys))
            if breath.due():
                await breath.take()
        return opened

    async def _keys(self, key_ids: set[str]) -> Mapping[str, SealingKey]:
        keys: dict[str, SealingKey] = {}
        for key_id in key_ids:
            key = self._keyring.cached(key_id)
            if key is None:
                return await self._keyring.for_reading(key_ids)
            keys[key_id] = key
        return keys

    def _open(self, head: Head, handle: Sealed, keys: Mapping[str, SealingKey]) -> bytes | DomainError:
        if head.erased:
            return Gone(f"{head.key} was erased")
        if head.deleted:
            return Gone(f"{head.key} was deleted")
        name = head.key.at(head.version)
        if handle.key is None or handle.sealed is None:
            return IntegrityFailure(f"{name} has no contents")
        key = keys.get(handle.key)
        if key is None:
            return self._keyring.why_absent(handle.key)
        try:
            return open_sealed(key, place(name), handle.sealed)
        except IntegrityFailure:
            return IntegrityFailure(f"{name} is not what was stored there")
