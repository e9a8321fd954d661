"""`keys rotate`, and the answer to a leaked patient key.

Rotation replaces everything above the patients' keys while the service runs: master key, data key, and the keys of
directory and audit. It holds a lease, works in small batches and may be killed and run again
(`storage/crypto/rotation_steps.py`).

A patient whose key has leaked is re-sealed: a new generation seals everything from now on, and each live resource gets
a new version under it, so that current content no longer opens with the leaked key. Old versions stay as they are:
they are hash chained over their ciphertext, and whoever has the key may have a copy of them anyway
(`storage/crypto/DECISIONS.md`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import msgspec

from domain.audit import AuditEntry
from domain.decimals import exact
from domain.errors import DomainError, VersionConflict
from domain.identity import FhirJson, ResourceKey
from domain.ports import AuditTrail, Describe, RevisionStore
from domain.revision import Change, Write, next_revision
from storage.crypto.keys import Keyring, patient_owner
from storage.crypto.progress import Progress, unseen
from storage.crypto.rotation_steps import renew_service_owners, replace_data_key, replace_master_key
from storage.crypto.vault import NEWEST_SECONDS, Client
from storage.mongo.blob_rewrapping import rewrap_blobs
from storage.mongo.client import Database
from storage.mongo.documents import RESOURCES
from storage.mongo.failures import translated
from storage.mongo.lease import Lease

MARGIN_SECONDS = 15.0
"""Beyond the time others may use a replaced key: how long a commit prepared with it may take."""
BATCH = 100
_decode = msgspec.json.Decoder(float_hook=exact).decode

Sleep = Callable[[float], Awaitable[None]]
Now = Callable[[], datetime]


async def rotate_keys(
    client: Client,
    keyring: Keyring,
    audit: AuditTrail,
    entry: AuditEntry,
    *,
    progress: Progress = unseen,
    sleep: Sleep = asyncio.sleep,
) -> bool:
    """Replace master key, data key, and the directory's and audit's keys, while others serve.

    Returns `False` when old data keys had to be kept because something is still wrapped under them; run it again.
    Raises `Contention` when another rotation runs, `Unavailable` without database or KMS.
    """
    lease = Lease(client, keyring.database, "key rotation")
    await lease.take()
    try:
        await audit.record(entry)
        await replace_master_key(keyring.vault, lease.renew, progress)
        await renew_service_owners(keyring, progress)

        async def settle() -> None:
            remaining = NEWEST_SECONDS + MARGIN_SECONDS
            while remaining > 0:
                await lease.renew()
                await sleep(min(remaining, MARGIN_SECONDS))
                remaining -= MARGIN_SECONDS

        return await replace_data_key(keyring, lease.renew, progress, settle=settle)
    finally:
        await lease.release()


async def reseal_patient(
    database: Database,
    store: RevisionStore,
    describe: Describe,
    keyring: Keyring,
    entry: AuditEntry,
    *,
    patient: str,
    now: Now,
    progress: Progress = unseen,
    sleep: Sleep = asyncio.sleep,
) -> int:
    """Seal the patient's live resources under a new generation of the key, as a new version each. Returns how many.

    The keys of the patient's documents are wrapped under it too.

    `entry` is recorded with each batch of versions. Raises `Gone` when the patient was erased.
    """
    owner = patient_owner(patient)
    newest = f"{owner}#{await keyring.stored.add_generation(owner)}"
    keyring.forget(owner)
    # Others seal with the old generation until they have forgotten it.
    await sleep(keyring.ttl_seconds + MARGIN_SECONDS)
    await rewrap_blobs(database, keyring, patient, progress)
    done = 0
    stale = {"patient": patient, "deleted": False, "key": {"$ne": newest}}
    while True:
        with translated("The patient's resources cannot be listed"):
            found = await database[RESOURCES].find(stale, {"type": 1, "id": 1}).limit(BATCH).to_list()
        if not found:
            return done
        keys = [ResourceKey(document["type"], document["id"]) for document in found]
        done += await _reseal(store, describe, entry, keys, now())
        progress("resources", done)


async def _reseal(
    store: RevisionStore, describe: Describe, entry: AuditEntry, keys: list[ResourceKey], now: datetime
) -> int:
    """Write the next version of each resource with the same content; one that changes meanwhile is left for later."""
    bases = [base for base in await store.newest_of(keys) if base is not None and not base.head.deleted]
    changes = []
    contents, words = await store.open(bases), await store.found(bases)
    for base, opened, found in zip(bases, contents, words, strict=True):
        if isinstance(opened, DomainError):
            raise opened
        content: FhirJson = _decode(opened)
        revision = next_revision(base.head.key, content, method="PUT", base=base, now=now)
        description = msgspec.structs.replace(describe.describe(content, base.head.key), found=found)
        changes.append(Change(revision, description, base))
    if not changes:
        return 0
    targets = tuple(change.revision.key.at(change.revision.version) for change in changes)
    write = Write(tuple(changes), msgspec.structs.replace(entry, recorded=now, targets=targets))
    try:
        await store.commit(write)
    except VersionConflict:
        return 0
    return len(changes)
