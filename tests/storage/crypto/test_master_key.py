"""The local key file: private, never overwritten, never quoted."""

from __future__ import annotations

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage.crypto.master_key import (
    MasterKey,
    UnsafeMasterKey,
    create_local_keys,
    read_local_keys,
    replace_local_keys,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "master.json"


def test_a_new_key_file_is_private_and_readable_again(path: Path) -> None:
    create_local_keys(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    keys = read_local_keys(path)
    assert [len(provider["key"]) for provider in keys.providers().values()] == [96]
    assert list(path.parent.iterdir()) == [path]


def test_an_existing_key_is_never_overwritten(path: Path) -> None:
    create_local_keys(path)
    before = path.read_bytes()
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: create_local_keys(path), range(8)))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_processes_that_create_it_at_once_agree(path: Path) -> None:
    def create(_: int) -> str:
        create_local_keys(path)
        return read_local_keys(path).keys["local:k1"]

    with ThreadPoolExecutor() as pool:
        assert len(set(pool.map(create, range(8)))) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_file_that_others_may_read_is_refused(path: Path, mode: int) -> None:
    create_local_keys(path)
    path.chmod(mode)
    with pytest.raises(UnsafeMasterKey, match="chmod 600"):
        read_local_keys(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "canary",
        '{"newest": "local:k1", "keys": {}}',
        '{"newest": "local:k1", "keys": {"local:k1": "Y2FuYXJ5"}}',
        '{"newest": "local:k2", "keys": {"local:k1": "' + base64.b64encode(bytes(96)).decode() + '"}}',
        '{"newest": "local:k1", "keys": {"local:k1": "canary!"}}',
    ],
)
def test_a_file_that_holds_no_key_is_refused_and_not_quoted(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(UnsafeMasterKey) as caught:
        read_local_keys(path)
    assert "canary" not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_an_absent_file_is_refused(path: Path) -> None:
    with pytest.raises(UnsafeMasterKey, match="cannot be read"):
        read_local_keys(path)


def test_a_successor_is_added_before_the_old_key_goes(path: Path) -> None:
    create_local_keys(path)
    first = read_local_keys(path)
    both = first.successor()
    replace_local_keys(path, both)
    assert read_local_keys(path) == both
    assert list(both.keys) == ["local:k1", "local:k2"]
    assert both.newest == "local:k2"
    replace_local_keys(path, both.only_newest())
    assert list(read_local_keys(path).keys) == ["local:k2"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_master_key_shows_its_provider_only() -> None:
    shown = repr(MasterKey("aws", {"key": "arn"}, {"secretAccessKey": "canary"}))
    assert shown == "MasterKey(aws)"
    create = MasterKey("local", {})
    with pytest.raises(UnsafeMasterKey):
        _ = create.path


def test_local_keys_show_nothing(path: Path) -> None:
    create_local_keys(path)
    keys = read_local_keys(path)
    assert keys.keys["local:k1"] not in repr(keys)
