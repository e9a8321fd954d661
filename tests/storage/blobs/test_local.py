"""The store in a folder keeps the contract, and what only files can get wrong."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.settings import Settings
from domain.errors import Unavailable
from storage.blobs import open_blob_store
from storage.blobs.local import LocalBlobStore
from tests import small_disks
from tests.contracts.blob_store import MB, BlobStoreContract, WriteOnceContract, names, new_name, pieces, whole


@pytest.fixture
def store(tmp_path: Path) -> LocalBlobStore:
    return LocalBlobStore(tmp_path / "blobs")


class TestLocal(BlobStoreContract, WriteOnceContract):
    pass


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_folder_is_an_address(tmp_path: Path, prefix: str) -> None:
    assert isinstance(open_blob_store(f"{prefix}{tmp_path}", Settings()), LocalBlobStore)


@pytest.mark.parametrize("url", ["gs://bucket", "http://host/bucket", "s3://"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        open_blob_store(url, Settings())


async def test_only_the_server_may_read_the_files(store: LocalBlobStore, tmp_path: Path) -> None:
    name = new_name()
    await store.put(name, pieces(b"x"))
    path = tmp_path / "blobs" / name[:2] / name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_link_is_not_followed(store: LocalBlobStore, tmp_path: Path) -> None:
    secret, name = tmp_path / "secret", new_name()
    secret.write_text("not a blob")
    folder = tmp_path / "blobs" / name[:2]
    folder.mkdir(parents=True)
    (folder / name).symlink_to(secret)
    with pytest.raises(Unavailable):
        await store.get(name, 0, 10)
    with pytest.raises(Unavailable):
        await store.put(name, pieces(b"x"))
    assert secret.read_text() == "not a blob"


async def test_file_and_folder_are_on_the_disk_before_a_put_returns(
    store: LocalBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def noted(handle: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{handle}"))
        real(handle)

    monkeypatch.setattr(os, "fsync", noted)
    name = new_name()
    await store.put(name, pieces(b"x"))
    folder = tmp_path / "blobs"
    assert synced == [str(folder), str(folder / name[:2] / name), str(folder / name[:2])]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disks.small_disk(tmp_path / "disk") as folder:
        yield folder


async def test_a_full_disk_is_said_in_a_sentence_and_recovers_by_itself(small_disk: Path) -> None:
    store = LocalBlobStore(small_disk / "blobs")
    kept, lost = new_name(), new_name()
    await store.put(kept, pieces(b"kept"))
    with pytest.raises(Unavailable, match="disk of the blob store is full") as refused:
        await store.put(lost, pieces(os.urandom(8 * MB)))
    assert refused.value.issues[0].code == "no-store"
    await store.delete(lost)
    assert await names(store) == {kept}
    assert await whole(store, kept) == b"kept"
    await store.put(lost, pieces(b"again"))


async def test_a_folder_that_cannot_be_made_is_named_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match=f"{tmp_path}/file/blobs cannot be made"):
        await LocalBlobStore(tmp_path / "file" / "blobs").probe()
