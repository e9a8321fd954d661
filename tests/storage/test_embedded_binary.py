"""Finding and diagnosing `mongod`: `storage/embedded_binary.py`."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from domain.errors import Unavailable
from storage import embedded_binary
from storage.embedded import EmbeddedMongo
from storage.embedded_binary import explain_exit, find_mongod


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_the_given_binary_wins_then_the_path_then_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = script(tmp_path / "given" / "mongod", "")
    on_path = script(tmp_path / "bin" / "mongod", "")
    monkeypatch.setenv("PATH", str(on_path.parent))
    assert find_mongod(given) == given
    assert find_mongod() == on_path
    monkeypatch.setenv("PATH", "")
    assert find_mongod().parts[-4:] == ("fiftyone", "db", "bin", "mongod")


def test_a_given_binary_that_cannot_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"CHARTVAULT_MONGOD names .*nothing"):
        find_mongod(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("machine", "said"),
    [("x86_64", r"pip install 'chartvault\[embedded\]'"), ("riscv64", "has none for linux riscv64")],
)
def test_a_missing_binary_says_what_to_do(machine: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(embedded_binary.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(embedded_binary.platform, "machine", lambda: machine)
    with pytest.raises(Unavailable, match=said) as refused:
        find_mongod()
    assert "CHARTVAULT_MONGODB_URI" in refused.value.message


@pytest.mark.parametrize(
    ("code", "output", "said"),
    [
        (127, "mongod: error while loading shared libraries: libcurl.so.4: cannot open", "apt-get install libcurl4"),
        (
            127,
            "mongod: error while loading shared libraries: libodd.so.9: cannot open",
            "libodd.so.9, which is missing",
        ),
        (1, "mongod: /lib/libc.so.6: version `GLIBC_2.35' not found", "needs GLIBC_2.35"),
        (-signal.SIGILL, "", "AVX"),
        (100, "", "ended with code 100"),
    ],
)
def test_an_early_end_is_explained(code: int, output: str, said: str) -> None:
    assert said in explain_exit(code, output)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("#!/bin/sh\necho 'x: error while loading shared libraries: libssl.so.3: no' >&2\nexit 127\n", "libssl3"),
        ("#!/no/such/loader\n", "not made for this system"),
        ("\0not a program", "cannot be run"),
    ],
)
def test_a_server_that_cannot_start_reports_the_cause(tmp_path: Path, text: str, said: str) -> None:
    server = EmbeddedMongo(tmp_path / "mongodb", binary=script(tmp_path / "mongod", text))
    with pytest.raises(Unavailable, match=said):
        server.start()
    assert server.attach() is None
