"""Tombstones: the signed record that a patient was erased, kept in `erasures`.

It is what tells an erasure from a loss: `verify` accepts contents that cannot be opened only under a valid tombstone.
The signature covers every field, so that neither patient, time, author nor the number of versions can be changed
later. NOTE: stored for ever. `message` may never change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import bson
import msgspec
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.read_concern import ReadConcern

from storage.crypto.keys import AUDIT, Keyring
from storage.crypto.sealing import open_sealed, place, seal
from storage.mongo.client import Database
from storage.mongo.documents import RESOURCES

ERASURES = "erasures"


class Tombstone(msgspec.Struct, frozen=True):
    """One erased patient. `revisions` is how many versions the resources of the compartment had when it was signed.

    `reason` is sealed under the audit key: a sentence about an erasure tends to be a sentence about a person.
    """

    patient: str
    at: datetime
    by: str
    key: str
    reason: bytes
    revisions: int
    signature: bytes = b""

    def __repr__(self) -> str:
        return f"Tombstone({self.patient})"

    def message(self) -> bytes:
        """The bytes that are signed."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__ if name != "signature"}
        return b"chartvault/1|erasure|" + bson.encode(fields)

    def is_signed(self, keyring: Keyring) -> bool:
        return keyring.service.is_signed(self.message(), self.signature)

    async def reason_text(self, keyring: Keyring) -> str:
        """Why, in the words of whoever ordered it. Raises `IntegrityFailure` when it was changed."""
        keys = await keyring.for_reading([self.key])
        if self.key not in keys:
            raise keyring.why_absent(self.key)
        return open_sealed(keys[self.key], _reason_place(self.patient), self.reason).decode()


async def write_tombstone(
    database: Database, keyring: Keyring, *, patient: str, at: datetime, by: str, reason: str
) -> Tombstone:
    """Sign and store the tombstone of a patient whose key is destroyed; one that exists is only counted again."""
    revisions = await count_versions(database, patient)
    found = await database[ERASURES].find_one({"_id": patient})
    if found is None:
        key = (await keyring.for_writing([AUDIT]))[AUDIT]
        sealed = seal(key, _reason_place(patient), reason.encode())
        draft = Tombstone(patient, at, by, key.id, sealed, revisions)
    else:
        draft = msgspec.structs.replace(tombstone_of(found), revisions=revisions)
    tombstone = msgspec.structs.replace(draft, signature=keyring.service.sign(draft.message()))
    fields = {name: getattr(tombstone, name) for name in tombstone.__struct_fields__ if name != "patient"}
    await database[ERASURES].replace_one({"_id": patient}, {"_id": patient, **fields}, upsert=True)
    return tombstone


async def count_versions(database: Database, patient: str) -> int:
    """How many versions the current documents of the patient's compartment stand for."""
    pipeline: list[dict[str, Any]] = [
        {"$match": compartment_of(patient)},
        {"$group": {"_id": None, "versions": {"$sum": "$version"}}},
    ]
    async for found in await database[RESOURCES].aggregate(pipeline):
        return int(found["versions"])
    return 0


def compartment_of(patient: str) -> dict[str, str]:
    """Filter for what is sealed under the patient's key; the first field is the one that is indexed."""
    return {"compartments": patient, "patient": patient}


class Tombstones:
    """Which patients were certainly erased. Remembers the answer only when it is yes: an erasure may be under way."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._erasures = database[ERASURES]
        self._keyring = keyring
        self._valid: set[str] = set()

    async def covers(self, patient: str | None) -> bool:
        """Whether a validly signed tombstone names this patient by now."""
        if patient is None:
            return False
        return patient in self._valid or bool(await self.among([patient]))

    async def among(self, patients: Sequence[str], session: AsyncClientSession | None = None) -> frozenset[str]:
        """Which of these patients were erased; in a snapshot `session`, which of them were erased then."""
        erasures = self._erasures.with_options(read_concern=ReadConcern("snapshot")) if session else self._erasures
        documents = await erasures.find({"_id": {"$in": list(patients)}}, session=session).to_list()
        found = frozenset(document["_id"] for document in documents if is_valid(document, self._keyring))
        self._valid |= found
        return found


def is_valid(document: Mapping[str, Any], keyring: Keyring) -> bool:
    """Whether a stored tombstone is one, and signed by this service."""
    try:
        return tombstone_of(document).is_signed(keyring)
    except msgspec.ValidationError:
        return False


def tombstone_of(document: Mapping[str, Any]) -> Tombstone:
    """The stored form as a value; raises `msgspec.ValidationError` when it is none."""
    return msgspec.convert({**document, "patient": document.get("_id")}, Tombstone)


def _reason_place(patient: str) -> str:
    return place(f"erasures/{patient}/reason")
