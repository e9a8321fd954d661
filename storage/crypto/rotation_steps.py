"""The steps of a rotation that touch keys only; `storage/mongo/rotation.py` runs them under a lease.

Each step is safe while others serve: whatever it replaces opens until nothing needs it any more, and a step that was
killed half-way is finished by running it again.

    new master key       the data keys are rewrapped; nothing below changes
    new data key and     every wrapped key is wrapped again, in small batches, matched on its old value
    new wrapping key
    new generation       directory and audit seal with a new key; old values still open with the old one
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from storage.crypto.key_wrapping import PURPOSE
from storage.crypto.keys import ACCOUNTS, AUDIT, DIRECTORY, Keyring
from storage.crypto.master_key import LocalKeys, read_local_keys, replace_local_keys
from storage.crypto.progress import Progress, unseen
from storage.crypto.vault import Document, Vault, as_binary, number_of, reaching_keys
from storage.crypto.wrapped_keys import WrappedKeys, generations

BATCH = 100
"""11,000 keys rewrapped in one call held everybody up for 16 s (MEASUREMENTS.md)."""

PASSES = 5
"""A pass that races new generations may have to be repeated; what is then still left keeps the old data keys alive."""

StillHeld = Callable[[], Awaitable[None]]
"""Renews the lease; raises when it was lost."""


async def replace_master_key(vault: Vault, held: StillHeld, progress: Progress = unseen) -> None:
    """Rewrap the data keys under the master key of the settings; a local one is first given a successor.

    With a KMS this moves the vault to the key that the settings name now, or to that key's newest version.
    """
    if not vault.master.is_local:
        await _rewrap(vault, vault.master.provider, dict(vault.master.options), held, progress)
        return
    path = vault.master.path
    keys: LocalKeys = read_local_keys(path)
    if len(keys.keys) == 1:
        keys = keys.successor()
        replace_local_keys(path, keys)
    vault.reload()
    await _rewrap(vault, keys.newest, None, held, progress)
    # Only now: until here a crash leaves both keys, and both open.
    replace_local_keys(path, keys.only_newest())
    vault.reload()


async def _rewrap(vault: Vault, provider: str, options: Document | None, held: StillHeld, progress: Progress) -> None:
    with reaching_keys():
        names = [found["_id"] async for found in vault.documents.find({}, {"_id": 1})]
    for start in range(0, len(names), BATCH):
        await held()
        with reaching_keys():
            chosen = {"_id": {"$in": names[start : start + BATCH]}}
            await vault.csfle.rewrap_many_data_key(chosen, provider=provider, master_key=options)
        progress("data keys", min(start + BATCH, len(names)))


async def replace_data_key(
    keyring: Keyring, held: StillHeld, progress: Progress = unseen, *, settle: Callable[[], Awaitable[None]]
) -> bool:
    """Put a new data key in place of all there are, and wrap every key again under it.

    `settle` waits until no process can still be wrapping under the old one (`vault.NEWEST_SECONDS`). The old data keys
    are deleted, and the result is `True`, only after a whole pass has found nothing under them: deleting one too early
    would destroy every key it wraps.
    """
    vault = keyring.vault
    with reaching_keys():
        old = await vault.documents.find({}, {"keyAltNames": 1}).to_list()
    await vault.add_data_key(max(map(number_of, old)) + 1)
    await keyring.service.stored.add_generation(PURPOSE)
    for keys in (keyring.service.stored, keyring.stored):
        keys.wrapper.forget()
    await _wrap_all_again(keyring, held, progress)
    await settle()
    for _ in range(PASSES):
        if await _wrap_all_again(keyring, held, progress) == 0:
            await _delete_data_keys(vault, old, held)
            return True
    return False


async def _wrap_all_again(keyring: Keyring, held: StillHeld, progress: Progress) -> int:
    """One pass over all wrapped keys; returns how many owners it found under an old data key."""
    return sum([await _wrap_again(keys, held, progress) for keys in (keyring.service.stored, keyring.stored)])


async def _wrap_again(keys: WrappedKeys, held: StillHeld, progress: Progress) -> int:
    last, done, found = "", 0, 0
    while True:
        await held()
        with reaching_keys():
            page = await keys.documents.find({"_id": {"$gt": last}}).sort("_id", 1).limit(BATCH).to_list()
        if not page:
            return found
        for document in page:
            if not all([await keys.wrapper.is_newest(value) for value in generations(document)]):
                await keys.wrap_again(document)
                found += 1
        last, done = page[-1]["_id"], done + len(page)
        progress(keys.documents.name, done)
        await asyncio.sleep(0)


async def _delete_data_keys(vault: Vault, data_keys: Sequence[Document], held: StillHeld) -> None:
    for data_key in data_keys:
        await held()
        with reaching_keys():
            await vault.csfle.delete_key(as_binary(data_key["_id"]))


async def renew_service_owners(keyring: Keyring, progress: Progress = unseen) -> None:
    """Give directory, audit and accounts a new generation, long before one key has sealed 2**32 values."""
    for done, owner in enumerate((DIRECTORY, AUDIT, ACCOUNTS), 1):
        await keyring.stored.add_generation(owner)
        keyring.forget(owner)
        progress("generations", done)
