"""Where an S3 bucket is and how it is reached: values only, so that who keeps blobs in a folder loads no S3 client."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import msgspec


class Limits(NamedTuple):
    """How long one call to the store may take: to connect, to wait for an answer, and in all without progress."""

    connect_seconds: float = 2.0
    read_seconds: float = 10.0
    deadline_seconds: float = 14.0


class S3Settings(Protocol):
    """The settings that say how an S3 store is reached."""

    @property
    def blob_endpoint(self) -> str | None: ...
    @property
    def blob_region(self) -> str: ...
    @property
    def blob_access_key(self) -> str | None: ...
    @property
    def blob_secret_key(self) -> str | None: ...
    @property
    def blob_connect_seconds(self) -> float: ...
    @property
    def blob_read_seconds(self) -> float: ...
    @property
    def blob_deadline_seconds(self) -> float: ...


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """Address and account. Without `access_key` both are taken from the environment (`AWS_…`) or the machine's role."""

    name: str
    prefix: str = ""
    endpoint: str | None = None
    region: str = "us-east-1"
    access_key: str | None = None
    secret_key: str | None = None
    limits: Limits = Limits()

    def __repr__(self) -> str:
        return f"Bucket({self.name})"

    def key(self, name: str) -> str:
        """The key of an object in the bucket."""
        return f"{self.prefix}/{name}" if self.prefix else name


def bucket_of(settings: S3Settings, *, name: str, prefix: str = "") -> Bucket:
    """The bucket of that name, reached as the settings say."""
    return Bucket(
        name=name,
        prefix=prefix,
        endpoint=settings.blob_endpoint,
        region=settings.blob_region,
        access_key=settings.blob_access_key,
        secret_key=settings.blob_secret_key,
        limits=Limits(settings.blob_connect_seconds, settings.blob_read_seconds, settings.blob_deadline_seconds),
    )
