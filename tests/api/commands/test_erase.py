"""The question before an erasure, asked on a real terminal: `api/commands/erase.py`."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]


def test_another_id_than_the_one_to_erase_erases_nothing(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    arguments = ["erase", "ana", "--reason", "asked for it", "--data-dir", str(tmp_path)]
    with subprocess.Popen(
        [sys.executable, "-m", "api.cli", *arguments], cwd=PROJECT, stdin=theirs, stdout=theirs, stderr=theirs
    ) as asking:
        os.close(theirs)
        os.write(ours, b"anna\n")
        assert asking.wait(30) == 1
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "This cannot be undone" in shown
    assert "nothing was erased" in shown
    assert list(tmp_path.iterdir()) == []
