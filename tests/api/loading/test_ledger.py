"""What is remembered between runs."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from api.loading.ledger import Ledger


def test_what_was_added_is_known_in_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ledger"
    with Ledger(path) as ledger:
        assert "a" not in ledger
        ledger.add("a")
        assert "a" in ledger
    with Ledger(path) as ledger:
        assert "a" in ledger
        ledger.add("b")
    with Ledger(path) as ledger:
        assert "a" in ledger
        assert "b" in ledger


def test_a_torn_line_is_forgotten_and_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    with Ledger(path) as ledger:
        ledger.add("import-1")
    path.write_text(path.read_text() + "import-2")
    with Ledger(path) as ledger:
        assert "import-2" not in ledger
        ledger.add("import-3")
    with Ledger(path) as ledger:
        assert "import-1" in ledger
        assert "import-3" in ledger


def test_a_file_that_is_no_ledger_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("my notes\n")
    with pytest.raises(ValueError, match="not an import ledger"), Ledger(path):
        pass
    assert path.read_text() == "my notes\n"


def test_a_ledger_is_its_owners_alone(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger"):
        pass
    assert stat.S_IMODE((tmp_path / "ledger").stat().st_mode) == 0o600


def test_without_a_path_nothing_is_written() -> None:
    with Ledger(None) as ledger:
        ledger.add("a")
        assert "a" in ledger
