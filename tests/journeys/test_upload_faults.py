"""Uploads in parts while things fail: a clear answer within 15 s, and the upload goes on to the right document.

tus 1.0 (https://tus.io/protocols/resumable-upload): after whatever went wrong HEAD tells the offset, and PATCH goes on there.
Kill -9 between every two steps is in `tests/domain/clinic/test_joining_parts.py`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from pymongo import MongoClient

from tests import s3_servers
from tests.journeys.conftest import Serve
from tests.journeys.evidence import Admin
from tests.journeys.office import LONGEST_SECONDS, MB, Office, files, office, told
from tests.journeys.processes import Served, wait_for
from tests.s3_faults import FaultyProxy, faulty, reset
from tests.small_disks import small_disk

TUS = {"tus-resumable": "1.0.0"}
PART = {**TUS, "content-type": "application/offset+octet-stream"}


class Upload:
    """One upload of a client that does what the protocol says: ask for the offset, go on there."""

    def __init__(self, here: Office, content: bytes) -> None:
        self.here, self.content = here, content
        self.headers = {"authorization": here.served.headers()["authorization"]}
        self.address = ""

    async def begin(self) -> None:
        kind = base64.b64encode(b"application/octet-stream").decode()
        said = {**TUS, "upload-length": str(len(self.content)), "upload-metadata": f"filetype {kind}"}
        path = f"/api/v1/patients/{self.here.patient}/uploads"
        answer = await self.here.web.post(path, headers={**self.headers, **said})
        assert answer.status_code == 201, answer.text
        self.address = answer.headers["location"]

    async def offset(self) -> int:
        answer = await self.here.web.head(self.address, headers={**self.headers, **TUS})
        assert answer.status_code == 200, answer.status_code
        return int(answer.headers["upload-offset"])

    async def append(self, at: int, end: int | None = None) -> httpx.Response:
        given = {**self.headers, **PART, "upload-offset": str(at)}
        return await self.here.web.patch(self.address, content=self.content[at:end], headers=given)

    async def half(self, at: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
        """A part of which the first half is sent, on a connection of its own; and the other half."""
        body = self.content[at:]
        address = urlsplit(self.here.served.base)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        fields = {**self.headers, **PART, "upload-offset": str(at), "host": address.netloc}
        fields["content-length"] = str(len(body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"PATCH {self.address} HTTP/1.1\r\n{lines}\r\n".encode() + body[: len(body) // 2])
        await writer.drain()
        return reader, writer, body[len(body) // 2 :]

    async def go_on(self) -> None:
        """Go on from where the server says, until it says that everything is there; then compare the document."""
        until = time.monotonic() + 60
        while (at := await self.offset()) < len(self.content):
            answer = await self.append(at)
            assert answer.status_code in (204, 409), answer.text  # 409: the server is still busy with what broke
            assert time.monotonic() < until, "the upload does not end"
        told = await self.here.web.head(self.address, headers={**self.headers, **TUS})
        document = told.headers["document-location"]
        card = (await self.here.web.get(document, headers=self.headers)).json()
        assert card["hash"] == hashlib.sha1(self.content).hexdigest()
        assert (await self.here.web.get(f"{document}/content", headers=self.headers)).content == self.content


async def started(here: Office, size: int = 2 * MB) -> Upload:
    """An upload of which the first tenth has arrived."""
    upload = Upload(here, os.urandom(size))
    await upload.begin()
    assert (await upload.append(0, size // 10)).status_code == 204
    return upload


def require_said(answer: httpx.Response) -> None:
    assert answer.status_code in (503, 507), answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with small_disk(tmp_path_factory.mktemp("disks") / "small", megabytes=12) as folder:
        yield folder


@pytest.fixture(scope="module")
def local(serve_two: Serve, disk: Path) -> Served:
    """A server whose documents lie on a disk of 12 MB."""
    return serve_two(blob_url=str(disk / "blobs"), log_level="error")


@pytest.fixture
def filler(disk: Path) -> Iterator[Path]:
    """A file that takes space, until it is removed."""
    path = disk / "filler"
    yield path
    path.unlink(missing_ok=True)


@pytest.mark.parametrize("ending", ["closed", "reset"])
async def test_a_client_that_vanishes_in_the_middle_of_a_part_goes_on_from_there(
    local: Served, mongo_admin: Admin, disk: Path, ending: str
) -> None:
    async with office(local, mongo_admin) as here:
        before, upload = here.published(), await started(here)
        at = await upload.offset()
        _, writer, _ = await upload.half(at)
        async with here.others_unaffected():
            if ending == "reset":
                await asyncio.sleep(0.5)
                reset(writer)
            else:
                writer.close()
            await arrived(upload, at)
        assert at < await upload.offset() < len(upload.content)
        await upload.go_on()
        await here.require_nothing_left(lambda: files(disk / "blobs"), before + 2)


async def arrived(upload: Upload, at: int) -> None:
    async def seen() -> None:
        while await upload.offset() == at:
            await asyncio.sleep(0.05)

    await told(asyncio.wait_for(seen(), 4 * LONGEST_SECONDS))


async def test_a_disk_that_is_full_in_a_part_keeps_what_was_there(
    local: Served, mongo_admin: Admin, disk: Path, filler: Path
) -> None:
    async with office(local, mongo_admin) as here:
        before, upload = here.published(), await started(here)
        at = await upload.offset()
        fill(filler, leave=MB // 2)
        async with here.others_unaffected():
            require_said(await told(upload.append(at)))
        assert await upload.offset() == at
        filler.unlink()
        await upload.go_on()
        await here.require_nothing_left(lambda: files(disk / "blobs"), before + 2)


async def test_a_disk_that_is_full_when_the_parts_are_joined_leaves_the_last_byte_to_be_sent_again(
    local: Served, mongo_admin: Admin, disk: Path, filler: Path
) -> None:
    async with office(local, mongo_admin) as here:
        before, upload = here.published(), await started(here)
        at = await upload.offset()
        fill(filler, leave=len(upload.content) + MB // 4)  # the rest fits, the whole beside it does not
        async with here.others_unaffected():
            require_said(await told(upload.append(at)))
        assert await upload.offset() == len(upload.content) - 1
        assert here.published() == before
        filler.unlink()
        assert (await upload.append(len(upload.content) - 1)).status_code == 204
        await upload.go_on()
        await here.require_nothing_left(lambda: files(disk / "blobs"), before + 2)


def fill(filler: Path, *, leave: int) -> None:
    """Take all space of a disk but some bytes."""
    free = os.statvfs(filler.parent)
    filler.write_bytes(bytes(free.f_bavail * free.f_frsize - leave))


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with s3_servers.moto() as address:
        yield address


@pytest.fixture
async def proxy(moto: str) -> AsyncIterator[FaultyProxy]:
    async with faulty(moto) as proxy:
        yield proxy


@pytest.mark.slow
async def test_a_bucket_that_fails_in_a_part_keeps_what_was_there(
    serve_two: Serve, mongo_admin: Admin, moto: str, proxy: FaultyProxy
) -> None:
    bucket = s3_servers.new_bucket(moto)
    client = s3_servers.witness(bucket)
    account = {"blob_access_key": bucket.access_key or "", "blob_secret_key": bucket.secret_key or ""}
    served = await asyncio.to_thread(
        serve_two, blob_url=f"s3://{bucket.name}", blob_endpoint=proxy.address, log_level="error", **account
    )
    async with office(served, mongo_admin) as here:
        before, uploads = here.published(), []
        for fault in ("error", "reset", "hang"):
            upload = await started(here, 12 * MB)
            at = await upload.offset()
            proxy.break_(fault)
            async with here.others_unaffected():
                require_said(await told(upload.append(at)))
            assert await upload.offset() == at
            proxy.mend()
            uploads.append(upload)
        for upload in uploads:
            await upload.go_on()
        objects = lambda: len(list(client.list_objects(bucket.name, recursive=True)))  # noqa: E731
        await here.require_nothing_left(objects, before + 2 * len(uploads))
        assert client._list_multipart_uploads(bucket.name).uploads == []


@asynccontextmanager
async def frozen(pid: int) -> AsyncIterator[None]:
    """A process that neither answers nor closes its connections, while inside."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.slow
async def test_without_a_database_a_part_is_refused_in_time_and_kept_when_it_is_back(serve: Serve) -> None:
    served = await asyncio.to_thread(serve, "--workers", "2", log_level="error")
    with MongoClient(served.admin_uri()) as admin:
        async with office(served, admin) as here:
            before, mongod = here.published(), served.mongod()
            whole, broken = await started(here), await started(here)
            at = await whole.offset()
            reader, writer, rest = await broken.half(at)
            async with frozen(mongod):
                sent = asyncio.create_task(told(whole.append(at)))
                writer.write(rest)
                status = await told(reader.readline())
                assert b" 503 " in status, status
                require_said(await sent)
            writer.close()
            for upload in (whole, broken):
                assert await upload.offset() >= at
                await upload.go_on()
            stored = lambda: files(served.data_dir / "blobs")  # noqa: E731
            await here.require_nothing_left(stored, before + 4)


@pytest.mark.slow
async def test_a_server_killed_in_the_middle_of_a_part_goes_on_with_the_upload(serve: Serve) -> None:
    served = await asyncio.to_thread(serve, "--workers", "2", log_level="error")
    with MongoClient(served.admin_uri()) as admin:
        async with office(served, admin) as here:
            upload = await started(here)
            at = await upload.offset()
            _, writer, _ = await upload.half(at)
            await asyncio.to_thread(wait_for, lambda: here.states().count("pending") > 1)
            await asyncio.to_thread(served.kill)
            writer.close()
            await asyncio.to_thread(served.start)
    with MongoClient(served.admin_uri()) as admin:
        async with office(served, admin) as again:
            upload.here = again
            assert await upload.offset() == at
            await upload.go_on()
