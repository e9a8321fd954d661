"""D3: blobs in a bucket keep the contract, and an independent client sees random names, no metadata and ciphertext."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from domain.blobs import Blobs
from domain.errors import IntegrityFailure
from storage.blobs.location import Bucket
from storage.blobs.s3 import S3BlobStore
from storage.crypto.keys import Keyring
from storage.mongo.blobs import MongoBlobs
from storage.mongo.client import Database
from storage.mongo.revisions import MongoRevisionStore
from tests.contracts.blobs import MB, BlobsContract, Erase, publish, read, received, stream
from tests.s3_servers import new_bucket, witness

CANARY = b"Prosperous Chalmers, born on 25 December"


@pytest.fixture
def bucket(radosgw: str) -> Bucket:
    return new_bucket(radosgw)


@pytest.fixture
async def blobs(data: Database, keyring: Keyring, bucket: Bucket) -> AsyncIterator[MongoBlobs]:
    blobs = MongoBlobs(data, keyring, S3BlobStore(bucket))
    yield blobs
    await blobs.close()


@pytest.fixture
def revisions(store: MongoRevisionStore) -> MongoRevisionStore:
    return store


@pytest.fixture
def erase(keyring: Keyring) -> Erase:
    async def erase(patient: str) -> None:
        await keyring.stored.erase(f"Patient/{patient}", datetime.now(UTC))
        keyring.forget(f"Patient/{patient}")

    return erase


class TestBlobsInABucket(BlobsContract):
    async def stored(self, blobs: Blobs) -> list[str]:
        assert isinstance(blobs, MongoBlobs)
        await blobs.close()
        return [one.name async for one in blobs.store.objects()]


@pytest.mark.parametrize("size", [1, 3 * MB, 14 * MB])
async def test_an_independent_client_sees_random_names_no_metadata_and_ciphertext(
    blobs: MongoBlobs, store: MongoRevisionStore, bucket: Bucket, size: int
) -> None:
    content = (CANARY * (size // len(CANARY) + 1))[:size]
    blob = await blobs.receive(
        stream(content, MB), patient="p1", content_type="application/pdf", limit=20 * MB, title="Chalmers.pdf"
    )
    await publish(store, blob)
    (found,) = witness(bucket).list_objects(bucket.name, recursive=True)
    assert found.object_name is not None
    assert re.fullmatch("[0-9a-f]{32}", found.object_name)
    told = witness(bucket).stat_object(bucket.name, found.object_name)
    assert not [name for name in told.metadata or {} if name.lower().startswith("x-amz-meta")]
    assert "pdf" not in str(told.metadata)
    response = witness(bucket).get_object(bucket.name, found.object_name)
    stored = response.read()
    response.release_conn()
    assert len(stored) == told.size
    for canary in (b"Prosperous", b"Chalmers", b"December", b"application/pdf", blob.sha256, blob.sha1):
        assert canary not in stored
    assert await read(blobs, blob) == content


async def test_what_a_third_client_altered_in_the_bucket_is_refused(
    blobs: MongoBlobs, store: MongoRevisionStore, bucket: Bucket
) -> None:
    blob = await received(blobs, CANARY * 1_000)
    await publish(store, blob)
    response = witness(bucket).get_object(bucket.name, blob.id)
    stored = bytearray(response.read())
    response.release_conn()
    stored[-40] ^= 1
    witness(bucket).put_object(bucket.name, blob.id, io.BytesIO(bytes(stored)), len(stored))
    with pytest.raises(IntegrityFailure):
        await read(blobs, blob)
