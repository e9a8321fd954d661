"""Erasure: make one patient unreadable for good without touching anyone's history.

The key goes first, and from that moment nothing sealed under it can be opened by anyone who asks for it; other
processes forget it within the keyring's `ttl_seconds`. Then the current documents of the compartment lose everything
but the plain part that access and the hash chains need, and the records of blobs their wrapped keys, then a signed
tombstone tells the erasure from a loss. The versions stay, sealed for ever, so every chain still verifies. The objects of
the blobs are removed by the sweeper; what is left of them in backups of the bucket has no key any more.

Each step may be repeated: an erasure that was killed half-way is finished by asking for it again. What other processes
sealed in their last seconds with the key is swept up once more after they have forgotten it.

Not reached: audit entries (who read what must outlive the patient's data; their queries are sealed under the audit
key), resources outside the compartment that name the patient, and backups of the key database older than the erasure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from domain.audit import AuditEntry
from domain.errors import NotFound
from domain.ports import AuditTrail
from storage.crypto.keys import Keyring, patient_owner
from storage.crypto.progress import Progress, unseen
from storage.mongo import found_words
from storage.mongo.blob_documents import BLOBS, DOOMED, OPENING
from storage.mongo.client import Database
from storage.mongo.documents import RESOURCES
from storage.mongo.failures import translated
from storage.mongo.index_entries import FIELDS
from storage.mongo.notice_documents import NOTICES, OUTBOX
from storage.mongo.provider_connections import forget_connection
from storage.mongo.sync_documents import SYNC_ITEMS, SYNC_LOG, SYNC_RUNS
from storage.mongo.tombstones import Tombstone, compartment_of, write_tombstone

BATCH = 200
COMMIT_SECONDS = 15.0
"""A commit prepared with a key in the last moment of its life may take this much longer to be durable."""
PROTECTED_FIELDS = ("key", "sealed", *FIELDS, *found_words.FIELDS, "outline")

Sleep = Callable[[float], Awaitable[None]]


async def erase_patient(
    database: Database,
    keyring: Keyring,
    audit: AuditTrail,
    entry: AuditEntry,
    *,
    patient: str,
    reason: str,
    progress: Progress = unseen,
    sleep: Sleep = asyncio.sleep,
) -> Tombstone:
    """Erase the patient of that id. Returns once no process can open anything of it: `ttl_seconds` and a bit later.

    `entry` says who asks; it is durable before anything is destroyed. Raises `NotFound` when nothing was ever stored
    for the patient, `AuditUnavailable` or `Unavailable` when nothing, or not everything, was done: ask again.
    """
    await _require_known(database, keyring, patient)
    await audit.record(entry)
    at = await destroy_key(keyring, patient, entry.recorded)
    await doom_blobs(database, patient)
    await forget_notices(database, patient)
    await forget_connection(database, keyring, patient)
    done = await strip_current(database, patient, progress)
    with translated("The tombstone cannot be stored"):
        await write_tombstone(database, keyring, patient=patient, at=at, by=entry.subject, reason=reason)
    await sleep(keyring.ttl_seconds + COMMIT_SECONDS)
    await doom_blobs(database, patient)
    await forget_notices(database, patient)
    await forget_connection(database, keyring, patient)
    await strip_current(database, patient, progress, done)
    with translated("The tombstone cannot be stored"):
        return await write_tombstone(database, keyring, patient=patient, at=at, by=entry.subject, reason=reason)


async def destroy_key(keyring: Keyring, patient: str, at: datetime) -> datetime:
    """Destroy the patient's key and bar a new one. Returns when that happened: `at`, or earlier if it had happened."""
    owner = patient_owner(patient)
    erased = await keyring.stored.erase(owner, at)
    keyring.forget(owner)
    return erased


async def strip_current(database: Database, patient: str, progress: Progress = unseen, done: int = 0) -> int:
    """Leave of each current document of the compartment only what is plain. Returns `done` plus how many there were."""
    resources = database[RESOURCES]
    live = {**compartment_of(patient), "erased": {"$ne": True}}
    with translated("The current documents cannot be erased"):
        while names := [found["_id"] async for found in resources.find(live, {"_id": 1}).limit(BATCH)]:
            await resources.update_many(
                {"_id": {"$in": names}, **live},
                {"$set": {"deleted": True, "erased": True}, "$unset": dict.fromkeys(PROTECTED_FIELDS, 1)},
            )
            done += len(names)
            progress("documents", done)
    return done


async def doom_blobs(database: Database, patient: str) -> None:
    """Leave of the patient's blobs nothing that could open them, and the objects to the sweeper."""
    theirs = {"patient": patient, "state": {"$ne": DOOMED}}
    doomed = {"$set": {"state": DOOMED, "at": datetime.now(UTC)}, "$unset": dict.fromkeys(OPENING, 1)}
    with translated("The documents cannot be erased"):
        await database[BLOBS].update_many(theirs, doomed)


async def forget_notices(database: Database, patient: str) -> None:
    """Remove what was to be told of the patient, what of it is still on its way, and what is known of synchronisation."""
    with translated("The notifications cannot be erased"):
        for name in (NOTICES, OUTBOX, SYNC_RUNS, SYNC_ITEMS, SYNC_LOG):
            await database[name].delete_many({"patient": patient})


async def _require_known(database: Database, keyring: Keyring, patient: str) -> None:
    with translated("The patient cannot be looked up"):
        if await database[RESOURCES].find_one(compartment_of(patient), {"_id": 1}):
            return
    if not await keyring.stored.find([patient_owner(patient)]):
        raise NotFound(f"Patient/{patient} is not known")
