"""What the reading process may do: compute on what it was given, write to its pipe, nothing else.

Parsers of PDF, DICOM and pictures are large; one that is taken over must gain nothing. Before the first byte of a
document is looked at, the process bounds itself (memory, time, no file can grow, few descriptors) and on Linux gives
up, by a filter in the kernel that cannot be taken off again, to open files, to use the network and to start or touch
processes (https://www.kernel.org/doc/html/latest/userspace-api/seccomp_filter.html). It was started without our
environment. Where the kernel has no such filter the bounds alone hold, and `confine` says so.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys

_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2
_ALLOW, _DENY = 0x7FFF0000, 0x00050000 | 13  # answers EACCES
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_AUDIT_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

FORBIDDEN: dict[str, tuple[int, ...]] = {
    "x86_64": (
        2, 85, 257, 437,  # open creat openat openat2
        41, 42, 43, 44, 46, 49, 50, 53, 288, 307,  # socket connect accept send* bind listen socketpair sendmmsg
        56, 57, 58, 435, 59, 322,  # clone fork vfork clone3 execve execveat
        62, 200, 234, 424, 438, 101, 310, 311,  # kill tkill tgkill pidfd_* ptrace process_vm_*
        76, 82, 83, 84, 86, 87, 88, 90, 92, 264, 316, 263, 265, 266,  # truncate rename mkdir rmdir link unlink chmod
        161, 165, 155, 272, 308, 321, 323, 298, 425, 426, 427, 304,  # chroot mount unshare setns bpf perf io_uring
    ),
    "aarch64": (
        56, 437,  # openat openat2
        198, 199, 200, 201, 202, 203, 206, 211, 242, 269,  # sockets
        220, 435, 221, 281,  # clone clone3 execve execveat
        129, 130, 131, 424, 438, 117, 270, 271,  # kill and ptrace
        34, 35, 36, 37, 38, 45, 53, 54, 276,  # mkdirat unlinkat symlinkat linkat renameat truncate fchmodat fchownat
        51, 40, 41, 97, 268, 280, 282, 241, 425, 426, 427, 265,  # chroot mount unshare setns bpf perf io_uring
    ),
}  # fmt: skip


def bound(*, memory_bytes: int, cpu_seconds: int) -> None:
    """Limits of this process, before anything is read."""
    for limit, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 32),
    ):
        resource.setrlimit(limit, (value, value))


def confine() -> bool:
    """Give up files, network and processes for good. False where the platform has no filter for that."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in FORBIDDEN:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    program = _program(_AUDIT_ARCHITECTURE[machine], FORBIDDEN[machine])
    code = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(_SET_SECCOMP, _FILTER, described, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return True


def _program(architecture: int, numbers: tuple[int, ...]) -> bytes:
    """A filter that denies these system calls, and every one made by way of another architecture."""
    steps = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _DENY), (_LOAD, 0, 0, 0)]
    steps += [(_EQUAL, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _DENY)]
    return b"".join(struct.pack("HBBI", *step) for step in steps)
