"""The log of synchronisation: what came, what was asked for, what failed; one line each, for people. PRODUCT F124-F126.

Lines are written once, whoever repeats the work that caused them, and never changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple, Protocol, TypeAlias

import msgspec

Action: TypeAlias = Literal["MANUAL_SYNC", "AUTO_UPDATE", "PUSH", "REQUEST"]
Status: TypeAlias = Literal["SUCCESS", "PARTIAL", "FAILED", "CANCELLED"]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line. `cause` names what is done at most once (`run/7/Observation/3`); `about` is a resource of ours
    (`DocumentReference/3`); `details` are words for people, `run` the run it belongs to."""

    cause: str
    patient: str
    action: Action
    status: Status
    at: datetime
    details: str
    about: str | None = None
    run: str | None = None

    def __repr__(self) -> str:
        return f"Line({self.action}, {self.status})"


class Logged(NamedTuple):
    """A line as it is kept."""

    id: str
    line: Line


class Wanted(msgspec.Struct, frozen=True):
    """Filters of a list; each narrows. `since` is included, `until` is not; `words` are all found in the details."""

    patient: str
    action: Action | None = None
    status: Status | None = None
    about: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    words: tuple[str, ...] = ()


class Place(NamedTuple):
    """Where a list goes on: after this line."""

    at: datetime
    id: str


class LogBook(Protocol):
    """Implemented by `storage.mongo.sync_log`. Details are sealed with the patient's key."""

    async def write(self, lines: Sequence[Line]) -> None:
        """Store them, but for those that are there. Raises `Gone` for a patient who was erased."""
        ...

    async def find(self, line_id: str) -> Logged | None: ...

    async def page(self, wanted: Wanted, *, after: Place | None, count: int) -> tuple[Sequence[Logged], Place | None]:
        """Up to `count` lines, the newest first, and where the list goes on; with words, a page may be short before the end."""
        ...
