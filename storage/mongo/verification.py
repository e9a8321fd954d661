"""`chartvault verify`: reads everything stored and names every difference from what the product writes.

Checked in this order: erasures against keys, versions and current documents resource by resource, audit chain by
chain, versions against the audit entries of their writes, and the records of documents. Works while others serve:
whatever must agree is read from one snapshot. Memory stays bounded whatever the size; nothing is changed.

What someone with write access to the whole database, but without keys, can still do unnoticed until checkpoints are
kept elsewhere is listed in `storage/crypto/DECISIONS.md`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from domain.ports import Describe
from storage.crypto.keys import Keyring
from storage.crypto.progress import Progress, unseen
from storage.mongo.client import Database
from storage.mongo.failures import translated
from storage.mongo.findings import Finding
from storage.mongo.verification_audit import verify_audit
from storage.mongo.verification_blobs import verify_blobs
from storage.mongo.verification_erasures import verify_erasures
from storage.mongo.verification_resources import verify_resources
from storage.mongo.verification_writes import verify_writes


async def verify(
    database: Database, keyring: Keyring, describe: Describe | None = None, *, progress: Progress = unseen
) -> AsyncIterator[Finding]:
    """Every difference found, as it is found; none means that all is well.

    With `describe`, search terms and outline of each current document are made again from its content and compared.
    Raises `Unavailable` when the database stops answering: then nothing is known of the rest.
    """
    parts = (
        verify_erasures(database, keyring, progress),
        verify_resources(database, keyring, describe, progress),
        verify_audit(database, keyring, progress),
        verify_writes(database, progress),
        verify_blobs(database, keyring, progress),
    )
    for part in parts:
        with translated("The verification cannot go on: MongoDB does not answer"):
            async for finding in part:
                yield finding
