"""The store in a bucket keeps the contract on moto and on radosgw, and a third client sees nothing but names and noise."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator

import msgspec
import pytest

from api.settings import Settings
from domain.blobs import BlobStore
from domain.errors import Unavailable
from storage.blobs import open_blob_store
from storage.blobs.bucket import prepare
from storage.blobs.location import Bucket
from storage.blobs.s3 import S3BlobStore
from tests.contracts.blob_store import MB, BlobStoreContract, names, new_name, pieces
from tests.s3_servers import new_bucket, witness


@pytest.fixture
def bucket(s3: str) -> Bucket:
    return new_bucket(s3)


@pytest.fixture
async def store(bucket: Bucket) -> AsyncIterator[BlobStore]:
    store = S3BlobStore(bucket)
    yield store
    await store.close()


class TestS3(BlobStoreContract):
    async def leftovers(self, store: BlobStore, name: str) -> list[str]:
        assert isinstance(store, S3BlobStore)
        found = witness(store.bucket)._list_multipart_uploads(store.bucket.name)
        return [str(upload.object_name) for upload in found.uploads]


async def test_the_address_names_bucket_and_prefix_and_keeps_to_the_prefix(bucket: Bucket) -> None:
    settings = Settings(
        blob_endpoint=bucket.endpoint, blob_access_key=bucket.access_key, blob_secret_key=bucket.secret_key
    )
    store = open_blob_store(f"s3://{bucket.name}/clinic/a", settings)
    assert isinstance(store, S3BlobStore)
    name = new_name()
    await store.put(name, pieces(b"x"))
    witness(bucket).put_object(bucket.name, "elsewhere", io.BytesIO(b"y"), 1)
    assert await names(store) == {name}
    assert [one.object_name for one in witness(bucket).list_objects(bucket.name, recursive=True)] == [
        f"clinic/a/{name}",
        "elsewhere",
    ]
    await store.delete(name)
    assert await names(store) == set()
    await store.close()


async def test_objects_carry_no_metadata(store: BlobStore, bucket: Bucket) -> None:
    for size in (10, 6 * MB):
        name = new_name()
        await store.put(name, pieces(os.urandom(size)))
        found = witness(bucket).stat_object(bucket.name, name)
        assert found.size == size
        assert found.content_type in ("binary/octet-stream", "application/octet-stream", None, "")
        assert not [header for header in found.metadata or {} if header.lower().startswith("x-amz-meta")]
        assert witness(bucket).get_object_tags(bucket.name, name) is None


async def test_a_missing_bucket_is_said_at_the_start(s3: str) -> None:
    with pytest.raises(Unavailable, match="bucket does not exist: `chartvault bucket init`"):
        await S3BlobStore(new_bucket(s3, create=False)).probe()


async def test_a_wrong_secret_is_said_at_the_start(radosgw: str) -> None:
    bucket = msgspec.structs.replace(new_bucket(radosgw), secret_key="wrong")
    with pytest.raises(Unavailable, match="refuses the signature"):
        await S3BlobStore(bucket).probe()


async def test_an_unknown_account_is_said_at_the_start(radosgw: str) -> None:
    bucket = msgspec.structs.replace(new_bucket(radosgw), access_key="nobody")
    with pytest.raises(Unavailable, match="does not know the access key"):
        await S3BlobStore(bucket).probe()


async def test_a_store_that_is_not_there_is_said_at_the_start() -> None:
    bucket = Bucket(name="b", endpoint="http://127.0.0.1:9", access_key="a", secret_key="s")
    with pytest.raises(Unavailable):
        await S3BlobStore(bucket).probe()


async def test_a_bucket_is_made_ready_and_making_it_ready_again_changes_nothing(s3: str) -> None:
    bucket = new_bucket(s3, create=False)
    assert prepare(bucket)[0] == f"Created the bucket {bucket.name}."
    assert len(prepare(bucket)) == 1
    assert witness(bucket).get_bucket_versioning(bucket.name).status != "Enabled"
    prepare(bucket, versioning=True)
    assert witness(bucket).get_bucket_versioning(bucket.name).status == "Enabled"
    rules = witness(bucket).get_bucket_lifecycle(bucket.name)
    assert rules is not None
    assert [rule.abort_incomplete_multipart_upload.days_after_initiation for rule in rules.rules] == [1]  # type: ignore[union-attr]
    store = S3BlobStore(bucket)
    await store.probe()
    await store.close()


async def test_a_locked_bucket_keeps_what_was_deleted(radosgw: str) -> None:
    """Not on moto, which takes puts into such buckets only with a header of Amazon's own SDKs."""
    bucket = new_bucket(radosgw, create=False)
    prepare(bucket, lock_days=1)
    store = S3BlobStore(bucket)
    name = new_name()
    await store.put(name, pieces(b"sealed"))
    await store.delete(name)
    assert await names(store) == set()
    versions = list(witness(bucket).list_objects(bucket.name, include_version=True))
    kept = [one for one in versions if not one.is_delete_marker]
    assert [one.object_name for one in kept] == [name]
    await store.close()


def test_a_bucket_shows_no_secret() -> None:
    assert "hidden" not in repr(Bucket(name="b", access_key="a", secret_key="hidden"))
