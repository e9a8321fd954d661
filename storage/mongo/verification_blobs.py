"""Records of documents: each published one opens, names a version that exists, and none survives an erasure.

The bytes themselves are read by `chartvault blobs check`, which takes as long as reading every document.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from domain.errors import DomainError
from storage.crypto.blob_envelope import unwrapped
from storage.crypto.keys import Keyring, patient_owner
from storage.crypto.progress import Progress
from storage.crypto.sealing import SealingKey
from storage.mongo.blob_documents import BLOBS, DOOMED, PENDING, READY, blob_of
from storage.mongo.client import Database, Document
from storage.mongo.documents import REVISIONS
from storage.mongo.findings import Finding
from storage.mongo.tombstones import Tombstones

_BATCH = 200


async def verify_blobs(database: Database, keyring: Keyring, progress: Progress) -> AsyncIterator[Finding]:
    """Every record that is not what the product writes."""
    tombstones, done, after = Tombstones(database, keyring), 0, ""
    while batch := await database[BLOBS].find({"_id": {"$gt": after}}).sort("_id").limit(_BATCH).to_list():
        keys = await keyring.for_reading({str(record["key"]) for record in batch if "key" in record})
        versions = await _versions(database, batch)
        erased = await tombstones.among([record["patient"] for record in batch if record.get("patient") is not None])
        for record in batch:
            finding = _judged(record, keys, versions, erased)
            if finding is not None:
                yield finding
        done, after = done + len(batch), batch[-1]["_id"]
        progress("blobs", done)


async def _versions(database: Database, batch: Sequence[Document]) -> frozenset[str]:
    """Which of the versions that these records were published with exist."""
    names = [record["resource"] for record in batch if "resource" in record]
    return frozenset([found["_id"] async for found in database[REVISIONS].find({"_id": {"$in": names}}, {"_id": 1})])


def _judged(
    record: Document, keys: dict[str, SealingKey], versions: frozenset[str], erased: frozenset[str]
) -> Finding | None:
    where, state = f"{BLOBS}/{record['_id']}", record.get("state")
    if state == DOOMED:
        return None
    if record.get("patient") in erased:
        return Finding("erasure", where, "left over from an erasure: erase the patient again")
    if state == PENDING and not record.get("whole"):
        return None
    if state not in (PENDING, READY) or not {"key", "wrapped", "details", "size", "created"} <= set(record):
        return Finding("malformed", where, "the record has not the shape of one")
    if state == READY and record.get("resource") not in versions:
        return Finding("missing", where, "the version it was published with is gone")
    key = keys.get(record["key"])
    if key is None or record["key"].rpartition("#")[0] != patient_owner(record.get("patient")):
        return Finding("sealed", where, "its key is missing, damaged or another patient's")
    try:
        blob_of(record, key)
        unwrapped(record["_id"], record["wrapped"], key)
    except DomainError:
        return Finding("sealed", where, "it does not open in its place, or says something else than its plain fields")
    return None
