"""How a bucket is made ready and tidied: what obstore has no call for, through the `minio` client.

`prepare` creates the bucket, and on request turns on versioning and object lock. It always asks the store to drop parts of
uploads that nobody finished within a day; the sweeper does that too, for uploads it knows of.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html
"""

from __future__ import annotations

from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.commonconfig import COMPLIANCE, ENABLED, GOVERNANCE, Filter
from minio.credentials.providers import ChainedProvider, EnvAWSProvider, IamAwsProvider, Provider, StaticProvider
from minio.error import MinioException, S3Error
from minio.lifecycleconfig import AbortIncompleteMultipartUpload, LifecycleConfig, Rule
from minio.objectlockconfig import DAYS, ObjectLockConfig
from minio.versioningconfig import VersioningConfig

from domain.errors import InvalidRequest
from storage.blobs.location import Bucket
from storage.blobs.refusals import refusal

_UNFINISHED_DAYS = 1


def abort_uploads(bucket: Bucket, name: str) -> None:
    """Remove the parts of unfinished uploads of one object. Blocks; raises `Unavailable`."""
    client, key = _client(bucket), bucket.key(name)
    try:
        # Not public in minio 7.2, but its only way to these two calls of S3; held by the contract suite.
        found = client._list_multipart_uploads(bucket.name, prefix=key)
        for upload in found.uploads:
            if upload.object_name == key and upload.upload_id:
                client._abort_multipart_upload(bucket.name, key, upload.upload_id)
    except (MinioException, urllib3.exceptions.HTTPError) as error:
        raise refusal(error) from None


def prepare(bucket: Bucket, *, versioning: bool = False, lock_days: int = 0, compliance: bool = False) -> list[str]:
    """Create the bucket if it is missing and configure it; returns in sentences what was done. Blocks.

    `lock_days` keeps every version of an object for that long (`compliance`: even from the account's owner); the bucket
    must be new for it, or have object lock already. Raises `InvalidRequest` for what the store does not offer,
    `Unavailable`.
    """
    client, done = _client(bucket), []
    try:
        if not client.bucket_exists(bucket.name):
            client.make_bucket(bucket.name, location=bucket.region, object_lock=bool(lock_days))
            done.append(f"Created the bucket {bucket.name}.")
        if versioning or lock_days:
            client.set_bucket_versioning(bucket.name, VersioningConfig(ENABLED))
            done.append("Versioning is on: removed objects stay as old versions until the bucket's own rules end them.")
        if lock_days:
            mode = COMPLIANCE if compliance else GOVERNANCE
            client.set_object_lock_config(bucket.name, ObjectLockConfig(mode, lock_days, DAYS))
            done.append(f"Object lock is on: every version stays for {lock_days} days ({mode}).")
        client.set_bucket_lifecycle(bucket.name, _unfinished_uploads())
        done.append("Parts of unfinished uploads are dropped after a day.")
    except S3Error as error:
        if error.code in ("NotImplemented", "InvalidBucketState", "ObjectLockConfigurationNotFoundError"):
            raise InvalidRequest(f"The blob store does not offer this for the bucket ({error.code})") from None
        raise refusal(error) from None
    except (MinioException, urllib3.exceptions.HTTPError) as error:
        raise refusal(error) from None
    return done


def _client(bucket: Bucket) -> Minio:
    address = urlsplit(bucket.endpoint or "https://s3.amazonaws.com")
    timeout = urllib3.Timeout(connect=bucket.limits.connect_seconds, read=bucket.limits.read_seconds)
    return Minio(
        address.netloc,
        secure=address.scheme == "https",
        region=bucket.region,
        credentials=_credentials(bucket),
        http_client=urllib3.PoolManager(timeout=timeout, retries=False),
    )


def _credentials(bucket: Bucket) -> Provider:
    if bucket.access_key is not None:
        return StaticProvider(bucket.access_key, bucket.secret_key or "")
    return ChainedProvider([EnvAWSProvider(), IamAwsProvider()])


def _unfinished_uploads() -> LifecycleConfig:
    ended = AbortIncompleteMultipartUpload(days_after_initiation=_UNFINISHED_DAYS)
    rule = Rule(ENABLED, rule_filter=Filter(prefix=""), rule_id="chartvault", abort_incomplete_multipart_upload=ended)
    return LifecycleConfig([rule])
