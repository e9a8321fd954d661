"""Stores of sealed bytes, by address: a folder, or `s3://bucket/prefix`."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from domain.blobs import BlobStore
from storage.blobs.location import Bucket, S3Settings, bucket_of


def open_blob_store(address: str, settings: S3Settings) -> BlobStore:
    """The store at `address`: a folder (`/srv/blobs`, `file:///srv/blobs`) or `s3://bucket/prefix`; nothing is touched yet.

    Raises `ValueError` for an address of another kind.
    """
    found = bucket_at(address, settings)
    if found is not None:
        # Loading obstore and minio takes 0.2 s, which only those who use them should pay.
        from storage.blobs.s3 import S3BlobStore

        return S3BlobStore(found)
    from storage.blobs.local import LocalBlobStore

    url = urlsplit(address)
    return LocalBlobStore(Path(url.path if url.scheme == "file" else address))


def bucket_at(address: str, settings: S3Settings) -> Bucket | None:
    """The bucket an address names; `None` for a folder. Raises `ValueError` for any other kind of address."""
    url = urlsplit(address)
    if url.scheme == "s3":
        if not url.netloc:
            raise ValueError("a bucket is expected: s3://bucket")
        return bucket_of(settings, name=url.netloc, prefix=url.path.strip("/"))
    if url.scheme not in ("", "file"):
        raise ValueError("a folder or s3://bucket is expected")
    return None
