"""D4 over HTTP: clients that vanish or stall in the middle of an upload, a full disk, a bucket that hangs or fails.

Whoever is left gets a clear answer within 15 s, everything else goes on meanwhile, and no record and no byte remains.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from storage.blobs.location import Bucket
from tests import s3_servers
from tests.journeys.conftest import Serve
from tests.journeys.evidence import Admin
from tests.journeys.office import MB, files, office, soon, told
from tests.journeys.processes import Served, wait_for
from tests.s3_faults import FaultyProxy, faulty, reset
from tests.small_disks import small_disk

WAYS = ("form", "raw")


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with small_disk(tmp_path_factory.mktemp("disks") / "small") as folder:
        yield folder


@pytest.fixture(scope="module")
def local(serve_two: Serve, disk: Path) -> Served:
    """A server whose documents lie on a disk of 4 MB."""
    return serve_two(blob_url=str(disk / "blobs"), log_level="error")


@pytest.mark.parametrize("ending", ["closed", "reset"])
@pytest.mark.parametrize("way", WAYS)
async def test_a_client_that_vanishes_in_the_middle_leaves_nothing(
    local: Served, mongo_admin: Admin, disk: Path, way: str, ending: str
) -> None:
    async with office(local, mongo_admin) as here:
        before = here.published()
        _, writer = await here.half(way, os.urandom(2 * MB))
        await asyncio.to_thread(wait_for, lambda: "pending" in here.states())
        async with here.others_unaffected():
            if ending == "reset":
                reset(writer)
            else:
                writer.close()
            await soon(lambda: "pending" not in here.states())
        await soon(lambda: files(disk) == here.states().count("ready"))
        await here.require_nothing_left(lambda: files(disk), before)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
async def test_a_client_that_stalls_is_told_so_and_leaves_nothing(
    local: Served, mongo_admin: Admin, disk: Path, way: str
) -> None:
    async with office(local, mongo_admin) as here:
        before = here.published()
        reader, writer = await here.half(way, os.urandom(MB))
        async with here.others_unaffected():
            status = await told(reader.readline())
        assert b" 408 " in status
        writer.close()
        await here.require_nothing_left(lambda: files(disk), before)


@pytest.mark.parametrize("way", WAYS)
async def test_a_full_disk_is_said_and_leaves_nothing_and_small_documents_go_on(
    local: Served, mongo_admin: Admin, disk: Path, way: str
) -> None:
    async with office(local, mongo_admin) as here:
        before = here.published()
        async with here.others_unaffected():
            answer = await told(here.put(way, os.urandom(8 * MB)))
        assert answer.status_code in (503, 507), answer.text
        assert "full" in answer.text
        await here.require_nothing_left(lambda: files(disk), before)
        assert (await here.put(way, os.urandom(MB // 10))).status_code == 201


@pytest.mark.parametrize("way", WAYS)
async def test_who_is_refused_before_the_end_of_an_upload_is_told_so(
    local: Served, mongo_admin: Admin, way: str
) -> None:
    async with office(local, mongo_admin) as here:
        path, headers, body = here.request(way, os.urandom(12 * MB))
        stranger = {**headers, "authorization": "Bearer nothing"}
        answers = await asyncio.gather(*(here.web.post(path, content=body, headers=stranger) for _ in range(4)))
        assert [answer.status_code for answer in answers] == [401] * 4


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with s3_servers.moto() as address:
        yield address


@pytest.fixture(scope="module")
async def proxy(moto: str) -> AsyncIterator[FaultyProxy]:
    async with faulty(moto) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def bucket(moto: str) -> Bucket:
    return s3_servers.new_bucket(moto)


@pytest.fixture(scope="module")
async def served(serve_two: Serve, proxy: FaultyProxy, bucket: Bucket) -> Served:
    """A server whose documents lie in the bucket, behind the proxy."""
    account = {"blob_access_key": bucket.access_key or "", "blob_secret_key": bucket.secret_key or ""}
    place = {"blob_url": f"s3://{bucket.name}", "blob_endpoint": proxy.address}
    return await asyncio.to_thread(serve_two, **place, log_level="error", **account)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["hang", "error", "reset"])
async def test_a_bucket_that_fails_is_said_in_time_and_leaves_nothing_after_a_sweep(
    served: Served, mongo_admin: Admin, bucket: Bucket, proxy: FaultyProxy, fault: str
) -> None:
    client = s3_servers.witness(bucket)
    async with office(served, mongo_admin) as here:
        kept = await here.put("form", b"kept" * 100_000)
        assert kept.status_code == 201, kept.text
        before = here.published()
        proxy.break_(fault)
        async with here.others_unaffected():
            answers = await asyncio.gather(*(told(here.put(way, os.urandom(12 * MB))) for way in WAYS))
            answers += [await told(here.web.get(kept.json()["links"]["content"], headers=served.headers()))]
        assert [answer.status_code for answer in answers] == [503, 503, 503], [answer.text for answer in answers]
        assert {answer.headers.get("content-type", "").partition(";")[0] for answer in answers} <= {
            "application/problem+json", "application/fhir+json",
        }  # fmt: skip
        proxy.mend()
        await here.require_nothing_left(lambda: len(list(client.list_objects(bucket.name, recursive=True))), before)
        assert client._list_multipart_uploads(bucket.name).uploads == []
        assert (
            await here.web.get(kept.json()["links"]["content"], headers=served.headers())
        ).content == b"kept" * 100_000
