"""S3 servers for the whole run, started by the first test that needs one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import s3_servers


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    with s3_servers.moto() as address:
        yield address


@pytest.fixture(scope="session")
def radosgw(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3_servers.radosgw(shared, tmp_path_factory.mktemp("ceph")) as address:
        yield address


@pytest.fixture(params=["moto", "radosgw"])
def s3(request: pytest.FixtureRequest) -> str:
    """The address of each S3 server in turn."""
    address: str = request.getfixturevalue(request.param)
    return address
