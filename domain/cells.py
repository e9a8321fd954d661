"""Cells: places in a calendar that only one booking may hold.

A booking holds each five minutes of its doctor and of its patient. What a cell says is read before a write is planned and
compared inside the transaction of the write (`Write.cells`), so that of two who want one cell, one plans again and sees
the other's. A tentative hold ends by itself at `until`: nobody has to clean up for the cell to be free.
"""

from __future__ import annotations

from datetime import datetime

import msgspec


class Held(msgspec.Struct, frozen=True):
    """A cell as it is: held by `holder`, for a tentative hold only `until` then. `seen` counts its writes."""

    seen: int = 0
    holder: str | None = None
    until: datetime | None = None

    def free(self, now: datetime) -> bool:
        """Whether nobody holds it."""
        return self.holder is None or (self.until is not None and self.until <= now)

    def held_by(self, holder: str, now: datetime) -> bool:
        """Whether this one holds it, still."""
        return self.holder == holder and not self.free(now)


class Cell(msgspec.Struct, frozen=True):
    """A cell as a write will leave it: held by `holder`, or by nobody. `name` is hashed by storage; `seen` is what the
    writer read. From `gone` on it may be forgotten: nobody books the past."""

    name: str
    seen: int
    holder: str | None
    gone: datetime
    until: datetime | None = None

    def __repr__(self) -> str:
        return "Cell(…)"
