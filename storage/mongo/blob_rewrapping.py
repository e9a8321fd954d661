"""Answering a leaked patient key: the keys of the patient's documents are wrapped under the new one.

The objects stay as they are. Whoever holds the leaked key and a copy of database and store from before can open what is in
that copy; in copies made from now on the leaked key opens nothing.
"""

from __future__ import annotations

from contextlib import suppress

from domain.errors import DomainError
from storage.crypto.blob_envelope import unwrapped
from storage.crypto.keys import Keyring, patient_owner
from storage.crypto.progress import Progress, unseen
from storage.crypto.sealing import SealingKey
from storage.mongo.blob_documents import BLOBS, Details, blob_of, sealed_details
from storage.mongo.client import Database, Document
from storage.mongo.failures import translated

_BATCH = 200


async def rewrap_blobs(database: Database, keyring: Keyring, patient: str, progress: Progress = unseen) -> int:
    """Put the patient's documents under the newest key; returns how many. Damaged records are left for `verify` to name.

    Raises `Gone` when the patient was erased.
    """
    owner = patient_owner(patient)
    newest = (await keyring.for_writing([owner]))[owner]
    done, after = 0, ""
    while True:
        stale = {"patient": patient, "_id": {"$gt": after}, "key": {"$exists": True, "$ne": newest.id}}
        with translated("The documents cannot be listed"):
            batch = await database[BLOBS].find(stale).sort("_id").limit(_BATCH).to_list()
        if not batch:
            return done
        keys = await keyring.for_reading({record["key"] for record in batch})
        for record in batch:
            with suppress(DomainError, KeyError):
                done += await _rewrapped(database, record, keys[record["key"]], newest)
        after = batch[-1]["_id"]
        progress("documents", done)


async def _rewrapped(database: Database, record: Document, old: SealingKey, new: SealingKey) -> int:
    """One record under the new key, unless it changed meanwhile."""
    blob_id = record["_id"]
    blob = blob_of(record, old)
    details = Details(blob.size, blob.content_type, blob.title, blob.sha1, blob.sha256)
    fields = {
        "key": new.id,
        "wrapped": unwrapped(blob_id, record["wrapped"], old).wrapped(new),
        "details": sealed_details(blob_id, details, new),
    }
    with translated("The document cannot be wrapped again"):
        done = await database[BLOBS].update_one({"_id": blob_id, "wrapped": record["wrapped"]}, {"$set": fields})
    return done.modified_count
