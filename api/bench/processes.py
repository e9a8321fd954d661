"""Which processes serve, and how much CPU time and memory they use: /proc of Linux, nothing elsewhere.

https://www.kernel.org/doc/html/latest/filesystems/proc.html. CPU time per request is the figure that a busy machine
disturbs least.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

_PROC = Path("/proc")
_LISTEN = "0A"


class CpuMeter:
    """CPU time of some processes and all their descendants, found anew at each reading; of nothing without roots."""

    def __init__(self, roots: Iterable[int]) -> None:
        self.roots = frozenset(roots)

    def seconds(self) -> float | None:
        """CPU seconds used so far, user and system; `None` when there is nothing to measure."""
        found = [_cpu_seconds(pid) for pid in self._pids()]
        return sum(found) if found else None

    def resident_mb(self, *, without: str | None = None) -> float | None:
        """Memory resident now, in MB, shared pages counted in each process; `without` those of a program."""
        found = [_resident_mb(pid) for pid in self._pids() if _program(pid) != without]
        return sum(found) if found else None

    def peak_mb(self, *, without: str | None = None) -> float | None:
        """The most that was ever resident, of each process that lives now."""
        found = [_peak_mb(pid) for pid in self._pids() if _program(pid) != without]
        return sum(found) if found else None

    def _pids(self) -> set[int]:
        parents = _parents()
        found = {pid for pid in self.roots if pid in parents}
        grown = True
        while grown:
            children = {pid for pid, parent in parents.items() if parent in found} - found
            found |= children
            grown = bool(children)
        return found


def listening_on(port: int) -> set[int]:
    """The processes of this machine that listen on a TCP port, with the rest of their process groups."""
    sockets = _listening_sockets(port)
    if not sockets:
        return set()
    owners = {pid for pid in _all_pids() if sockets & _sockets_of(pid)}
    groups = {os.getpgid(pid) for pid in owners if _alive(pid)} - {os.getpgid(0)}
    return owners | {pid for pid in _all_pids() if _group(pid) in groups}


def _listening_sockets(port: int) -> set[str]:
    found = set()
    for name in ("tcp", "tcp6"):
        try:
            rows = (_PROC / "net" / name).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found


def _sockets_of(pid: int) -> set[str]:
    found: set[str] = set()
    with contextlib.suppress(OSError):  # the process may be gone, or somebody else's
        for name in os.listdir(_PROC / str(pid) / "fd"):
            with contextlib.suppress(OSError):  # closed meanwhile
                found.add(os.readlink(_PROC / str(pid) / "fd" / name))
    return found


def _all_pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir(_PROC) if name.isdecimal()]
    except OSError:
        return []


def _alive(pid: int) -> bool:
    return (_PROC / str(pid)).exists()


def _group(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[2]) if fields else None


def _parents() -> dict[int, int]:
    return {pid: int(fields[1]) for pid in _all_pids() if (fields := _stat(pid))}


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third (state) on; empty when the process is gone."""
    try:
        # The second field, the name, may hold spaces and brackets: everything after the last bracket is safe to split.
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _cpu_seconds(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _resident_mb(pid: int) -> float:
    fields = _stat(pid)
    return int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6 if fields else 0.0


def _peak_mb(pid: int) -> float:
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM:")), 0.0)


def _program(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""
