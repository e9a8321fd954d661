"""Reading CPU time of other processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from api.bench.processes import CpuMeter, listening_on

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc here")

BUSY = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
LISTEN = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
"""


def test_the_time_of_children_counts() -> None:
    process = subprocess.Popen([sys.executable, "-c", BUSY], process_group=0)
    try:
        meter = CpuMeter([process.pid])
        before = meter.seconds() or 0.0
        for _ in range(500):
            if (meter.seconds() or 0.0) - before >= 0.2:
                break
            subprocess.run(["sleep", "0.02"], check=True)
        assert (meter.seconds() or 0.0) - before >= 0.2
        assert (meter.resident_mb() or 0.0) > 5
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def test_nothing_to_measure_is_not_zero() -> None:
    assert CpuMeter([]).seconds() is None
    assert CpuMeter([2**22 + 1]).seconds() is None


def test_the_process_behind_a_port_is_found() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LISTEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
    )
    with process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert listening_on(int(process.stdout.readline())) == {process.pid}
        process.stdin.close()


def test_nobody_listens_on_a_port_that_is_only_bound() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        assert listening_on(probe.getsockname()[1]) == set()
