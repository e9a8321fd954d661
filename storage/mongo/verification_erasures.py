"""Erasures against keys: a patient is erased when, and only when, a signed tombstone says so."""

from __future__ import annotations

from collections.abc import AsyncIterator

from storage.crypto.keys import Keyring, patient_owner
from storage.crypto.progress import Progress
from storage.mongo.client import Database
from storage.mongo.findings import Finding
from storage.mongo.tombstones import ERASURES, Tombstones, count_versions, is_valid, tombstone_of


async def verify_erasures(database: Database, keyring: Keyring, progress: Progress) -> AsyncIterator[Finding]:
    """Tombstones that are not ours or not true, and erased keys without one."""
    done = 0
    async for document in database[ERASURES].find():
        where = f"{ERASURES}/{document['_id']}"
        done += 1
        progress("erasures", done)
        if not is_valid(document, keyring):
            yield Finding("erasure", where, "the tombstone was altered, or was not signed by this service")
            continue
        tombstone = tombstone_of(document)
        key = await keyring.stored.documents.find_one({"_id": patient_owner(tombstone.patient)})
        if key is None or key.get("erased") is None or key.get("wrapped"):
            yield Finding("erasure", where, "the patient's key is back: erase the patient again")
        if await count_versions(database, tombstone.patient) != tombstone.revisions:
            yield Finding("erasure", where, "the compartment has not the number of versions that were erased")
    tombstones = Tombstones(database, keyring)
    async for key in keyring.stored.documents.find({"erased": {"$ne": None}}, {"_id": 1}):
        if not await tombstones.covers(key["_id"].removeprefix("Patient/")):
            yield Finding("erasure", key["_id"], "erased without a tombstone: unfinished, erase the patient again")
