"""`chartvault blobs`, `chartvault bucket` and what a start says of a store that does not work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import TypeAlias

import msgspec
import pytest
import typer.testing
from click.testing import Result

from api.cli import app as commands
from api.environment import environment_of
from api.settings import Settings
from api.wiring import Opened, opened
from domain.blobs import Blob
from domain.errors import Unavailable
from storage.mongo import erasure
from tests import s3_servers
from tests.contracts.blobs import publish, received

Run: TypeAlias = Callable[..., Coroutine[None, None, Result]]


@pytest.fixture
def folder(settings: Settings) -> Path:
    return settings.data_dir / "blobs"


@pytest.fixture
async def parts(settings: Settings) -> AsyncIterator[Opened]:
    async with opened(settings) as parts:
        yield parts


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(erasure, "COMMIT_SECONDS", 0.0)

    async def run(*arguments: str, **changed: object) -> Result:
        chosen = msgspec.structs.replace(settings, key_cache_seconds=0.1, **changed)
        invoke = typer.testing.CliRunner().invoke
        return await asyncio.to_thread(invoke, commands, list(arguments), env=environment_of(chosen))

    return run


async def published(parts: Opened, content: bytes, patient: str) -> Blob:
    blob = await received(parts.upkeep.blobs, content, patient=patient)
    await publish(parts.store, blob)
    return blob


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


async def test_a_sweep_removes_what_was_given_up(parts: Opened, run: Run, folder: Path) -> None:
    kept, _ = await published(parts, b"kept", "p1"), await received(parts.upkeep.blobs, b"lost")
    await asyncio.sleep(1.1)
    result = await run("blobs", "sweep", "--older-than", "1s")
    assert result.exit_code == 0, result.output
    assert result.output == "Given up 1 uploads, removed 1 objects and the records of 1.\n"
    assert files(folder) == [kept.id]


async def test_a_check_names_what_was_harmed(parts: Opened, run: Run, folder: Path) -> None:
    await published(parts, b"whole", "p1")
    result = await run("blobs", "check")
    assert (result.exit_code, result.output) == (0, "Clean. Checked: documents 1, megabytes 0, objects 1\n")
    harmed = await published(parts, b"harmed", "p1")
    (folder / harmed.id[:2] / harmed.id).write_bytes(b"x")
    result = await run("blobs", "check")
    assert result.exit_code == 1
    assert f"blobs/{harmed.id}: The object of blob {harmed.id} was truncated (blob)" in result.output
    assert "1 findings" in result.output


async def test_an_erasure_removes_the_patients_documents_from_the_store(parts: Opened, run: Run, folder: Path) -> None:
    await published(parts, b"gone", "p1")
    kept = await published(parts, b"kept", "p2")
    result = await run("erase", "p1", "--reason", "asked", "--yes")
    assert result.exit_code == 0, result.output
    assert files(folder) == [kept.id]
    verified = (await run("verify")).output
    assert "blobs 1" in verified
    assert "blobs/" not in verified
    assert "(erasure)" not in verified


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with s3_servers.moto() as address:
        yield address


async def test_a_bucket_is_made_once_and_tried(run: Run, moto: str) -> None:
    bucket = s3_servers.new_bucket(moto, create=False)
    changed: dict[str, object] = {
        "blob_url": f"s3://{bucket.name}/clinic",
        "blob_endpoint": moto,
        "blob_access_key": bucket.access_key,
        "blob_secret_key": bucket.secret_key,
    }
    first = await run("bucket", "init", "--versioning", **changed)
    assert first.exit_code == 0, first.output
    assert first.output.startswith(f"Created the bucket {bucket.name}.\nVersioning is on")
    assert first.output.endswith("Documents can be put, read and deleted.\n")
    again = await run("bucket", "init", **changed)
    assert "Created" not in again.output
    assert list(s3_servers.witness(bucket).list_objects(bucket.name, recursive=True)) == []


async def test_a_folder_is_no_bucket(run: Run) -> None:
    result = await run("bucket", "init")
    assert result.exit_code == 1
    assert "s3://bucket" in str(result.exception)


async def test_a_server_does_not_start_on_a_store_that_does_not_work(settings: Settings, moto: str) -> None:
    from api.commands.serve import _prepare

    broken = msgspec.structs.replace(
        settings, blob_url="s3://nowhere", blob_endpoint=moto, blob_access_key="a", blob_secret_key="s"
    )
    with pytest.raises(Unavailable, match="bucket does not exist: `chartvault bucket init` makes it"):
        await _prepare(broken)
    await _prepare(settings)
