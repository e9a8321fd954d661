"""What a reading process that was taken over can still do. https://man7.org/linux/man-pages/man2/seccomp.2.html"""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from api.extraction.confinement import FORBIDDEN

PROJECT = Path(__file__).resolve().parents[3]
CONFINED = "from api.extraction.confinement import *\nimport os, socket, ctypes\nbound(memory_bytes=1<<30, cpu_seconds=2)\nassert confine()\n"
ATTEMPTS = {
    "open a file": "open('/etc/hostname')",
    "write a file": "open('/tmp/x', 'w')",
    "make a socket": "socket.socket()",
    "start a program": "os.execv('/bin/true', ['true'])",
    "fork": "os.fork()",
    "signal its parent": "os.kill(os.getppid(), 0)",
    "read its parent's memory": "open(f'/proc/{os.getppid()}/environ')",
}


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in FORBIDDEN, reason="the kernel here has no such filter"
)
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_confined_process_cannot(attempt: str) -> None:
    code = f"{CONFINED}\ntry:\n    {ATTEMPTS[attempt]}\nexcept OSError as error:\n    os._exit(7 if error.errno in (13, 24) else 8)\nos._exit(0)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False, timeout=20).returncode == 7


def test_a_confined_process_ends_when_its_time_is_up() -> None:
    done = subprocess.run([sys.executable, "-c", f"{CONFINED}\nwhile True: pass"], cwd=PROJECT, check=False, timeout=20)
    assert done.returncode < 0
