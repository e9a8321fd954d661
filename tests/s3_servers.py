"""Real S3 servers for tests: moto in this process, Ceph's radosgw in processes of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from minio import Minio

from storage.blobs.location import Bucket, Limits

ACCESS_KEY, SECRET_KEY = "testaccess", "testsecret12345"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def moto() -> Iterator[str]:
    """The address of a moto server. It checks no signatures."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@contextmanager
def radosgw(shared: Path, folder: Path) -> Iterator[str]:
    """The address of a radosgw with one user. Skips where Ceph is not installed, fails where it should be."""
    if shutil.which("radosgw") is None or shutil.which("ceph-mon") is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs a real S3 server: ceph-mon, ceph-osd and radosgw are not installed")
        pytest.skip("radosgw is not installed (ceph-mon, ceph-osd, radosgw)")
    port = free_port()
    environment = {**os.environ, "D": str(folder), "PORT": str(port), "MONP": str(free_port())}
    script = ["bash", str(shared / "services" / "radosgw.sh")]
    subprocess.run([*script, "start"], env=environment, check=True, capture_output=True, timeout=120)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        subprocess.run([*script, "stop"], env=environment, check=True, capture_output=True, timeout=60)


def new_bucket(endpoint: str, *, create: bool = True, limits: Limits | None = None) -> Bucket:
    """A bucket of its own for one test, at the server that listens at `endpoint`."""
    bucket = Bucket(
        name=f"test-{secrets.token_hex(6)}",
        endpoint=endpoint,
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        limits=limits or Limits(),
    )
    if create:
        witness(bucket).make_bucket(bucket.name)
    return bucket


def witness(bucket: Bucket) -> Minio:
    """An independent client of the bucket's server."""
    assert bucket.endpoint is not None
    address = bucket.endpoint.partition("://")[2]
    return Minio(address, bucket.access_key, bucket.secret_key, secure=False, region=bucket.region)
