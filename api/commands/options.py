"""Options that several commands share, and how texts become their values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_SECONDS = 365 * 86400

DataDir: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="Folder of the embedded MongoDB, of keys and of tokens. (default: CHARTVAULT_DATA_DIR, or data)"),
]


def duration_seconds(text: str) -> int:
    """Seconds of `90s`, `15m`, `12h` or `7d`. Raises `typer.BadParameter` for anything else or more than a year."""
    found = re.fullmatch(r"(\d{1,9})([smhd])", text.strip())
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < seconds <= _LONGEST_SECONDS:
        raise typer.BadParameter("a time such as 90s, 15m, 12h or 7d is expected, up to a year")
    return seconds
