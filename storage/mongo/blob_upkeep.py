"""Looking after the blobs of an installation: the sweep in the background or by hand, the check, making a bucket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

from domain.errors import Contention, InvalidRequest
from storage.blobs.location import Bucket
from storage.crypto.progress import Progress, unseen
from storage.mongo.blob_check import check
from storage.mongo.blob_sweep import SETTLED, Swept, sweep
from storage.mongo.blobs import MongoBlobs
from storage.mongo.findings import Finding
from storage.mongo.lease import Lease


class BlobUpkeep:
    """Sweeps and checks; the lease that lets one process sweep at a time is in the key database."""

    def __init__(self, blobs: MongoBlobs, keys_database: str, pending_hours: float) -> None:
        self.blobs = blobs
        self._database = blobs.records.database
        self._keys_database = keys_database
        self._pending_for = timedelta(hours=pending_hours)

    async def sweep(
        self,
        *,
        pending_for: timedelta | None = None,
        settled_for: timedelta = SETTLED,
        progress: Progress = unseen,
    ) -> Swept:
        """See `blob_sweep.sweep`; `pending_for` is that of the settings unless given."""
        lease = Lease(self._database.client, self._keys_database, "blobs")
        waited = self._pending_for if pending_for is None else pending_for
        return await sweep(
            self._database,
            self.blobs.store,
            lease,
            pending_for=waited,
            settled_for=settled_for,
            progress=progress,
        )

    async def sweep_in_turn(self) -> None:
        """Sweep, unless another process is at it."""
        try:
            await self.sweep()
        except Contention:
            return

    async def prepare_bucket(self, *, versioning: bool, lock_days: int, compliance: bool) -> list[str]:
        """Make the bucket ready (`blobs/bucket.py`), then put, get and delete an object; returns in sentences what was done.

        Raises `InvalidRequest` when documents are not kept in a bucket, or the store does not offer this; `Unavailable`.
        """
        store = self.blobs.store
        bucket = getattr(store, "bucket", None)
        if not isinstance(bucket, Bucket):
            raise InvalidRequest("CHARTVAULT_BLOB_URL names no bucket: set it to s3://bucket")
        from storage.blobs.bucket import prepare  # loads the S3 client, which nothing else here needs

        done = await asyncio.to_thread(
            prepare, bucket, versioning=versioning, lock_days=lock_days, compliance=compliance
        )
        await store.probe()
        return [*done, "Documents can be put, read and deleted."]

    def findings(self, progress: Progress = unseen) -> AsyncIterator[Finding]:
        """See `blob_check.check`."""
        return check(self._database, self.blobs, self.blobs.store, progress)
