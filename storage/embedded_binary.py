"""Which `mongod` runs, how it is launched, and what to tell a person when it cannot be.

Looked for in this order: the path given (`CHARTVAULT_MONGOD`), `mongod` on PATH, the server that the extra `embedded`
installs. Invariant: the child never outlives the process that started it, and never hears the terminal's Ctrl-C itself,
so that it is the last part to stop. Every refusal names the cause and the next step.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import msgspec

from domain.errors import Unavailable

_PR_SET_PDEATHSIG = 1
_OTHER_WAYS = "Other ways: a mongod on PATH, its path in CHARTVAULT_MONGOD, or a replica set in CHARTVAULT_MONGODB_URI."
_DEBIAN_PACKAGES = {
    "libcurl.so.4": "libcurl4",
    "libcrypto.so.3": "libssl3",
    "libssl.so.3": "libssl3",
    "liblzma.so.5": "liblzma5",
    "libgcc_s.so.1": "libgcc-s1",
}


def find_mongod(given: Path | None = None) -> Path:
    """The server binary to run. Raises `Unavailable` with what to do when there is none."""
    if given is not None:
        if not os.access(given, os.X_OK):
            raise Unavailable(f"CHARTVAULT_MONGOD names {given}, which is not an executable file")
        return given
    on_path = shutil.which("mongod")
    if on_path is not None:
        return Path(on_path)
    installed = _from_the_extra()
    if installed is not None:
        return installed
    machine = f"{sys.platform} {platform.machine()}"
    if (sys.platform, platform.machine()) == ("linux", "x86_64"):
        raise Unavailable(f"No mongod found. Install one with: pip install 'chartvault[embedded]'. {_OTHER_WAYS}")
    raise Unavailable(f"No mongod found, and the extra 'embedded' has none for {machine}. {_OTHER_WAYS}")


def _from_the_extra() -> Path | None:
    """The binary inside the wheel, found without importing it."""
    spec = importlib.util.find_spec("fiftyone")
    for root in (spec.submodule_search_locations or ()) if spec is not None else ():
        binary = Path(root, "db", "bin", "mongod")
        if os.access(binary, os.X_OK):
            return binary
    return None


def launch(command: Sequence[str], *, output: IO[bytes], keep_open: int) -> subprocess.Popen[bytes]:
    """Start `command` bound to this thread's life; `keep_open` is a file descriptor the child holds on to.

    NOTE: Linux sends the death signal when the *thread* that launched ends, so launch from one that lives as long as
    the program. Raises `Unavailable` when the binary cannot be executed at all.
    """
    try:
        return subprocess.Popen(  # noqa: S603 - the command is ours, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=(keep_open,),
            preexec_fn=_die_with_parent(),  # one system call, looked up before the fork
        )
    except FileNotFoundError as error:  # the file exists: its loader does not (musl, another architecture)
        raise Unavailable(f"{command[0]} is not made for this system. {_OTHER_WAYS}") from error
    except OSError as error:
        raise Unavailable(f"{command[0]} cannot be run: {error.strerror}. {_OTHER_WAYS}") from error


def _die_with_parent() -> Callable[[], None] | None:
    """What the child runs before `exec`: ask for SIGTERM on our death, and leave if we died in between."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return ask


def explain_exit(code: int, output: str) -> str:
    """One sentence on why a `mongod` that wrote `output` to the terminal ended with `code`, and what to do."""
    library = re.search(r"loading shared libraries: (\S+?):", output)
    if library is not None:
        name = library[1]
        package = _DEBIAN_PACKAGES.get(name)
        step = (
            f"install it (Debian, Ubuntu: apt-get install {package})" if package else "install the package that has it"
        )
        return f"MongoDB needs the system library {name}, which is missing: {step}. {_OTHER_WAYS}"
    symbols = re.search(r"version `(\S+)' not found", output)
    if symbols is not None:
        return f"MongoDB needs {symbols[1]}, newer than this system has. {_OTHER_WAYS}"
    if code == -signal.SIGILL:
        return f"MongoDB needs a processor with AVX. {_OTHER_WAYS}"
    return f"MongoDB ended with code {code}"


def last_failure(log: Path) -> str:
    """What the server logged last as an error, as `: text`: its fixed text and the error's name, never other values."""
    try:
        lines = log.read_bytes()[-65536:].splitlines()
    except OSError:
        return ""
    for line in reversed(lines):
        try:
            row = msgspec.json.decode(line)
        except msgspec.DecodeError:
            continue
        if row.get("s") in ("E", "F"):
            error = row.get("attr", {}).get("error", "")
            return f": {row['msg']} {error if isinstance(error, str) else ''}".rstrip()
    return ""
