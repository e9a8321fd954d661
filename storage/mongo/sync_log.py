"""`domain.clinic.sync_log.LogBook` on MongoDB: one row a line, its words sealed; so words are looked for after opening."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from pymongo import UpdateOne

from domain.clinic.sync_log import Line, Logged, Place, Wanted
from storage.crypto.keys import Keyring, patient_owner
from storage.crypto.sealing import SealingKey, open_sealed, place, seal
from storage.mongo.client import READ_MS, Database, Document
from storage.mongo.failures import translated
from storage.mongo.sync_documents import SYNC_LOG

KEPT = timedelta(days=400)
"""How long a line is shown."""
MOST_OPENED = 2_000
"""Lines opened for one page that asks for words."""
_SILENT = "The log of synchronisation does not answer"
_NEWEST_FIRST = [("at", -1), ("_id", -1)]


class MongoLogBook:
    """The log of one database."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._rows = database[SYNC_LOG]
        self._keyring = keyring

    async def write(self, lines: Sequence[Line]) -> None:
        """See `domain.clinic.sync_log.LogBook.write`."""
        if not lines:
            return
        keys = await self._keyring.for_writing({patient_owner(line.patient) for line in lines})
        writes = [self._write(line, keys[patient_owner(line.patient)]) for line in lines]
        with translated("The log of synchronisation could not be written"):
            await self._rows.bulk_write(writes, ordered=False)

    def _write(self, line: Line, key: SealingKey) -> UpdateOne:
        name = self._keyring.service.name_hash("sync-log", f"{line.patient}|{line.cause}").hex()
        fields = {
            "patient": line.patient,
            "action": line.action,
            "status": line.status,
            "at": line.at,
            "about": line.about,
            "run": line.run,
            "gone": line.at + KEPT,
            "key": key.id,
            "sealed": seal(key, _place(name), line.details.encode()),
        }
        return UpdateOne({"_id": name}, {"$setOnInsert": fields}, upsert=True)

    async def find(self, line_id: str) -> Logged | None:
        with translated(_SILENT):
            found = await self._rows.find_one({"_id": line_id}, max_time_ms=READ_MS)
        return next(iter(await self._opened([found] if found else [])), None)

    async def page(self, wanted: Wanted, *, after: Place | None, count: int) -> tuple[Sequence[Logged], Place | None]:
        """See `domain.clinic.sync_log.LogBook.page`."""
        look = count if not wanted.words else MOST_OPENED
        with translated(_SILENT):
            cursor = self._rows.find(_filter(wanted, after), sort=_NEWEST_FIRST, limit=look + 1, max_time_ms=READ_MS)
            rows = await cursor.to_list()
        more, rows = len(rows) > look, rows[:look]
        found = await self._opened(rows)
        if wanted.words:
            found = [each for each in found if all(word in each.line.details.casefold() for word in wanted.words)]
        if len(found) > count:
            last = found[count - 1]
            return found[:count], Place(last.line.at, last.id)
        return found, Place(rows[-1]["at"], rows[-1]["_id"]) if more else None

    async def _opened(self, rows: Sequence[Document]) -> list[Logged]:
        keys = await self._keyring.for_reading({row["key"] for row in rows})
        return [_logged(row, keys[row["key"]]) for row in rows if row["key"] in keys]


def _filter(wanted: Wanted, after: Place | None) -> Document:
    found: Document = {"patient": wanted.patient}
    found |= {name: value for name in ("action", "status", "about") if (value := getattr(wanted, name)) is not None}
    bounds = {"$gte": wanted.since, "$lt": wanted.until}
    times = {name: moment for name, moment in bounds.items() if moment is not None}
    if times:
        found["at"] = times
    if after is not None:
        found["$or"] = [{"at": {"$lt": after.at}}, {"at": after.at, "_id": {"$lt": after.id}}]
    return found


def _logged(row: Document, key: SealingKey) -> Logged:
    details = open_sealed(key, _place(row["_id"]), row["sealed"]).decode()
    line = Line(
        cause="",
        patient=row["patient"],
        action=row["action"],
        status=row["status"],
        at=row["at"],
        details=details,
        about=row["about"],
        run=row["run"],
    )
    return Logged(row["_id"], line)


def _place(name: str) -> str:
    return place(f"{SYNC_LOG}/{name}")
