"""`chartvault blobs check`: reads every published document whole, and names each that is not what was stored.

Beyond what reading refuses anyway (missing, truncated, extended, flipped, swapped) it compares the hashes of the record, and
names objects that no record knows: left by a database that was restored, by another installation, or put there by somebody.
Nothing is changed. Memory stays bounded; works while others serve.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence

from domain.blobs import Blob, Blobs, BlobStore, StoredObject
from domain.errors import DomainError, Gone, Unavailable
from storage.blobs.naming import is_name
from storage.crypto.progress import Progress, unseen
from storage.mongo.blob_documents import BLOBS, READY
from storage.mongo.client import Database, Document
from storage.mongo.failures import translated
from storage.mongo.findings import Finding

_BATCH = 100
_PAGE = 1_000


async def check(
    database: Database, blobs: Blobs, store: BlobStore, progress: Progress = unseen
) -> AsyncIterator[Finding]:
    """Every document that is damaged, then every object nobody knows. Raises `Unavailable` when the check cannot go on."""
    done, read, after = 0, 0, ""
    while batch := await _ready(database, after):
        for record in batch:
            finding, size = await _checked(blobs, record)
            done, read = done + 1, read + size
            progress("documents", done)
            progress("megabytes", read // 1_000_000)
            if finding is not None:
                yield finding
        after = batch[-1]["_id"]
    async for name in _unknown(database, store, progress):
        yield Finding("blob", f"object {name}", "no record knows this object: it is never read and never removed")


async def _ready(database: Database, after: str) -> list[Document]:
    selected = {"state": READY, "_id": {"$gt": after}}
    with translated("The documents cannot be listed"):
        return await database[BLOBS].find(selected, {"patient": 1}).sort("_id").limit(_BATCH).to_list()


async def _checked(blobs: Blobs, record: Document) -> tuple[Finding | None, int]:
    where = f"{BLOBS}/{record['_id']}"
    try:
        blob = await blobs.stat(record["_id"], patient=record["patient"])
        found = await _hashed(blobs, blob)
    except Unavailable:
        raise
    except Gone:
        return None, 0  # erased while the check runs; `verify` names an erasure that is not finished
    except DomainError as error:
        return Finding("blob", where, error.message), 0
    if found != (blob.sha1, blob.sha256):
        return Finding("blob", where, "the content does not have the hashes of its record"), blob.size
    return None, blob.size


async def _hashed(blobs: Blobs, blob: Blob) -> tuple[bytes, bytes]:
    sha1, sha256 = hashlib.sha1(usedforsecurity=False), hashlib.sha256()
    async for piece in await blobs.open(blob):
        sha1.update(piece)
        sha256.update(piece)
    return sha1.digest(), sha256.digest()


async def _unknown(database: Database, store: BlobStore, progress: Progress) -> AsyncIterator[str]:
    """The names of objects without a record, however old; looked up a page at a time."""
    page: list[StoredObject] = []
    done = 0
    async for one in store.objects():
        page.append(one)
        if len(page) == _PAGE:
            for name in await _without_record(database, page):
                yield name
            done += len(page)
            progress("objects", done)
            page = []
    for name in await _without_record(database, page):
        yield name
    progress("objects", done + len(page))


async def _without_record(database: Database, page: Sequence[StoredObject]) -> list[str]:
    names = [one.name for one in page]
    with translated("The records cannot be looked up"):
        found = await database[BLOBS].find({"_id": {"$in": names}}, {"_id": 1}).to_list()
    known = {record["_id"] for record in found}
    # A name that is not of our making is shown as such: it may be anything.
    return [name if is_name(name) else repr(name) for name in names if name not in known]
