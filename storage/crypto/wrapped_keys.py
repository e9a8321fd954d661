"""Wrapped keys at rest: one document per owner in the key database, every generation of its key wrapped.

    {_id: "Patient/123", wrapped: [wrapped generation 1, 2, …], created: date, erased: null | date}

`patient_keys` holds the keys of patients, directory and audit, `index_keys` the service's own secrets. They live
beside the vault, not beside the data: whoever restores a backup of the data must not bring an erased key back with
it. An erased owner keeps its document without `wrapped`: the unique `_id` is what makes erasure final.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from bson.binary import Binary
from pymongo.errors import BulkWriteError

from domain.errors import Gone, IntegrityFailure
from storage.crypto.key_wrapping import Wrapper
from storage.crypto.sealing import SealingKey
from storage.crypto.vault import SECRET_BYTES, Client, Document, durable, reaching_keys

PAGE = 1000
"""Owners asked for in one command."""
_DUPLICATE = 11000


class OwnedKeys(msgspec.Struct, frozen=True):
    """The keys of one owner. `newest` is the generation that seals, 0 when there is none; damaged ones are left
    out."""

    owner: str
    newest: int
    keys: Mapping[int, SealingKey]
    erased: bool = False

    def for_sealing(self) -> SealingKey:
        """Raises `Gone` when the owner was erased, `IntegrityFailure` when the newest key is damaged."""
        if self.erased:
            raise Gone(f"{self.owner} was erased", code="deleted")
        if self.newest not in self.keys:
            raise IntegrityFailure(f"The key of {self.owner} is damaged")
        return self.keys[self.newest]


def key_id(owner: str, generation: int) -> str:
    """`Patient/123#1`."""
    return f"{owner}#{generation}"


def owner_of(key_id: str) -> str:
    """`Patient/123` of `Patient/123#1`."""
    return key_id.rpartition("#")[0]


def generations(document: Document) -> list[Binary]:
    """The wrapped keys of a stored document, oldest first; none of a document that was damaged beyond that."""
    found = document.get("wrapped")
    return found if isinstance(found, list) else []


class NewKey(msgspec.Struct, frozen=True):
    """A first key that exists only when `document` is stored; see `WrappedKeys.make`."""

    owned: OwnedKeys
    document: Document

    def __repr__(self) -> str:
        return f"NewKey({self.owned.owner})"


class WrappedKeys:
    """The keys of many owners in one collection, wrapped by the level above: `Vault` or `KeyWrapping`."""

    def __init__(self, client: Client, database: str, collection: str, wrapper: Wrapper) -> None:
        self.documents = durable(client[database][collection])
        self.wrapper = wrapper

    async def find(self, owners: Iterable[str]) -> dict[str, OwnedKeys]:
        """The keys of each owner that has a document, with one command per 1,000 owners.

        Raises `Unavailable` when database or master key cannot be reached.
        """
        found: list[Document] = []
        wanted = list(owners)
        for start in range(0, len(wanted), PAGE):
            with reaching_keys():
                found += await self.documents.find({"_id": {"$in": wanted[start : start + PAGE]}}).to_list()
        return {keys.owner: keys for keys in await self._unwrap(found)}

    async def secrets(self, owner: str) -> list[bytes | None]:
        """The bare secrets of one owner, oldest first; for keys that do something else than sealing."""
        with reaching_keys():
            document = await self.documents.find_one({"_id": owner})
        wrapped = generations(document or {})
        return await self.wrapper.unwrap([(key_id(owner, n), value) for n, value in enumerate(wrapped, 1)])

    async def create(self, owners: Sequence[str]) -> None:
        """Give each owner a first key, unless it has one: of several writers that try at once, one wins.

        Read the keys afterwards: they may be another's.
        """
        documents = [new.document for new in await self.make(owners)]
        with reaching_keys():
            try:
                await self.documents.insert_many(documents, ordered=False)
            except BulkWriteError as error:
                details = error.details or {}
                if details.get("writeConcernErrors") or any(
                    failure["code"] != _DUPLICATE for failure in details.get("writeErrors", ())
                ):
                    raise

    async def make(self, owners: Sequence[str]) -> list[NewKey]:
        """A first key for each owner, stored by nobody yet. Whoever stores the documents makes them real."""
        secrets = [os.urandom(SECRET_BYTES) for _ in owners]
        names = [key_id(owner, 1) for owner in owners]
        wrapped = await self.wrapper.wrap(list(zip(names, secrets, strict=True)))
        now = datetime.now(UTC)
        return [
            NewKey(
                OwnedKeys(owner, 1, {1: SealingKey(name, secret)}),
                {"_id": owner, "wrapped": [value], "created": now, "erased": None},
            )
            for owner, name, secret, value in zip(owners, names, secrets, wrapped, strict=True)
        ]

    async def add_generation(self, owner: str) -> int:
        """Give an owner a further key, which seals from now on; older ones still open. Returns its generation.

        Raises `Gone` when the owner was erased. A race with another process yields one generation each.
        """
        while True:
            with reaching_keys():
                document = await self.documents.find_one({"_id": owner})
            if document is None:
                await self.create([owner])
                continue
            if document.get("erased") is not None:
                raise Gone(f"{owner} was erased", code="deleted")
            present = generations(document)
            generation = len(present) + 1
            wrapped = await self.wrapper.wrap([(key_id(owner, generation), os.urandom(SECRET_BYTES))])
            with reaching_keys():
                # Matched on the whole array: neither a rival generation nor an erasure may be overwritten.
                changed = await self.documents.update_one(
                    {"_id": owner, "erased": None, "wrapped": document.get("wrapped")},
                    {"$set": {"wrapped": [*present, *wrapped]}},
                )
            if changed.matched_count:
                return generation
            await asyncio.sleep(0.01)

    async def wrap_again(self, document: Document) -> None:
        """Wrap every generation of one stored document under the newest key above; damaged ones stay as they are.

        A key that changes meanwhile (a new generation, an erasure) is left alone: another pass finds it.
        """
        present = generations(document)
        names = [key_id(document["_id"], generation) for generation in range(1, len(present) + 1)]
        secrets = await self.wrapper.unwrap(list(zip(names, present, strict=True)))
        whole = [(name, secret) for name, secret in zip(names, secrets, strict=True) if secret is not None]
        again = dict(zip((name for name, _ in whole), await self.wrapper.wrap(whole), strict=True))
        wrapped = [again.get(name, value) for name, value in zip(names, present, strict=True)]
        with reaching_keys():
            await self.documents.update_one(
                {"_id": document["_id"], "erased": None, "wrapped": document.get("wrapped")},
                {"$set": {"wrapped": wrapped}},
            )

    async def erase(self, owner: str, at: datetime) -> datetime:
        """Destroy every generation of the owner's key, and bar the owner from ever getting another.

        Idempotent: returns when it was done first.
        """
        gone: Document = {"erased": at, "wrapped": []}
        with reaching_keys():
            await self.documents.update_one({"_id": owner, "erased": None}, {"$set": gone, "$unset": {"created": 1}})
            await self.documents.update_one({"_id": owner}, {"$setOnInsert": gone}, upsert=True)
            document = await self.documents.find_one({"_id": owner}, {"erased": 1})
        erased: datetime = (document or gone)["erased"]
        return erased

    async def _unwrap(self, documents: Sequence[Document]) -> list[OwnedKeys]:
        pairs = [
            (key_id(document["_id"], generation), wrapped)
            for document in documents
            for generation, wrapped in enumerate(generations(document), 1)
        ]
        secrets = dict(zip((name for name, _ in pairs), await self.wrapper.unwrap(pairs), strict=True))
        owned = []
        for document in documents:
            owner, newest = document["_id"], len(generations(document))
            keys = {}
            for generation in range(1, newest + 1):
                name = key_id(owner, generation)
                secret = secrets[name]
                if secret is not None:
                    keys[generation] = SealingKey(name, secret)
            owned.append(OwnedKeys(owner, newest, keys, document.get("erased") is not None))
        return owned
