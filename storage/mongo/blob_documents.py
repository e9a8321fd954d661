"""The stored shape of blob records, and what of them is sealed. Protection words as in `documents.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypedDict

import msgspec

from domain.blobs import Blob
from domain.errors import IntegrityFailure
from storage.crypto.sealing import SealingKey, open_sealed, place, seal
from storage.mongo.client import READ_MS, Database

BLOBS = "blobs"
OPENING = ("wrapped", "details", "same", "key")
"""The fields without which a record opens nothing and tells nothing of its content."""
PENDING, READY, DOOMED = "pending", "ready", "doomed"


class BlobDocument(TypedDict, total=False):
    """`blobs`: one document's bytes. The object of the same name in the blob store holds them, sealed."""

    _id: str  # plain: 128 random bits, also the name of the object
    state: str  # plain: pending, ready or doomed
    patient: str | None  # plain: the compartment whose key wraps its key
    created: datetime  # plain
    at: datetime  # plain: pending: last sign of life; ready: when it was published; doomed: since when
    whole: bool  # plain: every byte is stored, nobody writes to the object any more
    size: int  # plain: bytes of the content; shows in the blob store anyway
    key: str  # plain: id of the key that wrapped and sealed the fields below
    wrapped: bytes  # sealed: the blob's own key (`crypto/blob_envelope.py`)
    details: bytes  # sealed at "chartvault/1|blobs/<_id>/details": size, media type, title, SHA-1, SHA-256
    same: bytes  # keyed hash of patient and SHA-256: finds the same content of the same patient
    resource: str  # plain: "Binary/1/2", the version it was published with
    was: str  # plain: id of the blob, nobody's, in whose place it is


class Details(msgspec.Struct, frozen=True, array_like=True):
    """The sealed part of a record."""

    size: int
    content_type: str
    title: str | None
    sha1: bytes
    sha256: bytes

    def __repr__(self) -> str:
        return "Details(…)"


class Handle(NamedTuple):
    """What opening a blob needs of its record. Never printed: `Blob` hides it."""

    key: str
    wrapped: bytes


def touched(blob_id: str, patient: str | None) -> str:
    """The name under which a write depends on a blob of this patient being pending; never that of a resource."""
    return f"{BLOBS}/{blob_id}/{patient or ''}"


async def published(database: Database, names: Iterable[str]) -> dict[str | bytes, int]:
    """Which of the named blobs (`touched`) are no longer pending, or never were: 1, the others 0."""
    wanted = {name: name.split("/", 2)[1] for name in names}
    pending = {"_id": {"$in": list(wanted.values())}, "state": PENDING, "whole": True}
    found = database[BLOBS].find(pending, {"patient": 1}, max_time_ms=READ_MS)
    free = {touched(document["_id"], document["patient"]) async for document in found}
    return {name: int(name not in free) for name in wanted}


def sealed_details(blob_id: str, details: Details, key: SealingKey) -> bytes:
    return seal(key, _place(blob_id), msgspec.msgpack.encode(details))


def blob_of(document: Mapping[str, Any], key: SealingKey) -> Blob:
    """The record as a value. Raises `IntegrityFailure` when it is not what was stored for this blob."""
    blob_id = document["_id"]
    opened = open_sealed(key, _place(blob_id), document["details"])
    details = msgspec.msgpack.decode(opened, type=Details)
    if details.size != document.get("size"):
        raise IntegrityFailure(f"The record of blob {blob_id} was altered")
    return Blob(
        id=blob_id,
        patient=document["patient"],
        size=details.size,
        content_type=details.content_type,
        title=details.title,
        sha1=details.sha1,
        sha256=details.sha256,
        created=document["created"],
        resource=document.get("resource"),
        handle=Handle(document["key"], document["wrapped"]),
    )


def _place(blob_id: str) -> str:
    return place(f"blobs/{blob_id}/details")
