"""What earlier runs have stored: one line per delivered parcel, so that an import can be stopped and taken up again.

Lines are digests; no content, no file name. Losing the file costs time, not correctness: every parcel also carries its
key as Idempotency-Key, and the server answers a repeated key without writing. A torn last line (power cut) is ignored
for the same reason.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

# NOTE: wire format. Older ledgers must stay readable: a changed line form needs a new heading.
_HEADING = "chartvault import ledger 1"


class Ledger:
    """The keys delivered so far, kept in `path`; with `None` remembered for this run only."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._keys: set[str] = set()
        self._file: IO[str] | None = None

    def __enter__(self) -> Ledger:
        if self._path is None:
            return self
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._file = os.fdopen(descriptor, "r+", encoding="ascii", errors="replace")
        self._file.seek(0)
        text = self._file.read()
        lines = text.split("\n")
        if lines[0] not in ("", _HEADING):
            self._file.close()
            raise ValueError(f"{self._path} is not an import ledger")
        if not text:
            self._file.write(_HEADING + "\n")
        elif lines[-1]:
            self._file.write("\n")
        self._file.flush()
        self._keys.update(lines[1:-1])
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def add(self, key: str) -> None:
        """Remember a parcel that was stored completely."""
        self._keys.add(key)
        if self._file is not None:
            self._file.write(key + "\n")
            self._file.flush()
