"""`domain.clinic.notice_ports.Notices` in memory, for fast tests of the domain: what the memory store was given to tell."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from domain.clinic.notice_ports import Place, Told
from domain.notices import Notice

HELD = timedelta(seconds=10)


class _Row(msgspec.Struct):
    told: Told
    state: str = "WAITING"
    shown: bool = True
    taken: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    readers: set[str] = msgspec.field(default_factory=set)

    def seen_by(self, reader: str) -> Told:
        return msgspec.structs.replace(self.told, read=reader in self.readers)


class MemoryNotices:
    """Notices in a dictionary; `clock` decides what is due."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._rows: dict[str, _Row] = {}
        self._number = 0
        self._arrived = asyncio.Event()

    def store(self, notices: Iterable[Notice]) -> None:
        """What a commit does with its notices: each is kept once."""
        for notice in notices:
            name = hashlib.sha256(notice.id.encode()).hexdigest()[:32]
            kept = msgspec.structs.replace(notice, id=name)
            self._rows.setdefault(name, _Row(Told(id=name, notice=kept), shown=notice.while_ is None))
            self._arrived.set()

    def erase(self, patient: str) -> None:
        self._rows = {name: row for name, row in self._rows.items() if row.told.notice.patient != patient}

    def _for(self, recipients: Sequence[str]) -> list[_Row]:
        now = self._clock()
        rows = [row for row in self._rows.values() if not set(recipients).isdisjoint(row.told.notice.recipients)]
        return [row for row in rows if row.shown and row.told.notice.due <= now]

    async def page(
        self, recipients: Sequence[str], reader: str, *, unread: bool, after: Place | None, count: int
    ) -> tuple[Sequence[Told], Place | None]:
        rows = [row.seen_by(reader) for row in self._for(recipients)]
        found = [told for told in rows if not (unread and told.read) and (after is None or _place(told) < after)]
        found.sort(key=_place, reverse=True)
        shown = found[:count]
        return shown, _place(shown[-1]) if len(found) > count else None

    async def since(self, recipients: Sequence[str], reader: str, *, number: int, count: int) -> Sequence[Told]:
        found = [row.seen_by(reader) for row in self._for(recipients) if (row.told.number or 0) > number]
        return sorted(found, key=lambda told: told.number or 0)[:count]

    async def newest(self) -> int:
        return self._number

    async def find(self, recipients: Sequence[str], reader: str, notice: str) -> Told | None:
        return next((row.seen_by(reader) for row in self._for(recipients) if row.told.id == notice), None)

    async def read(self, recipients: Sequence[str], reader: str, *, notice: str | None = None) -> int:
        rows = [row for row in self._for(recipients) if notice in (None, row.told.id)]
        found = [row for row in rows if notice is not None or reader not in row.readers]
        for row in found:
            row.readers.add(reader)
        return len(found)

    async def take(self) -> Told | None:
        now = self._clock()
        waiting = [row for row in self._rows.values() if row.state == "WAITING" and row.taken <= now]
        due = [row for row in waiting if row.told.notice.due <= now]
        if not due:
            return None
        row = min(due, key=lambda row: row.told.notice.due)
        row.taken = now + HELD
        return row.told

    async def told(self, notice: str) -> None:
        row = self._rows[notice]
        if row.state == "WAITING":
            self._number += 1
            row.state, row.shown = "TOLD", True
            row.told = msgspec.structs.replace(row.told, number=self._number)

    async def drop(self, notice: str) -> None:
        row = self._rows[notice]
        if row.state == "WAITING":
            row.state, row.shown = "DROPPED", False

    async def arrived(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        except TimeoutError:
            return
        self._arrived.clear()


def _place(told: Told) -> Place:
    return Place(told.notice.due, told.id)
