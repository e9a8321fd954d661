"""`domain.clinic.notice_ports.Notices` on MongoDB: what was stored with its cause, shown, read and told.

The row is the notification in the list, so there is exactly one however often it is mailed. Telling gives it a number in one
transaction with the counter: tellings come one after the other, whoever tells, so a reader that has seen number 7 will never
be shown a 6 that was not there before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, OperationFailure

from domain.clinic.notice_ports import Place, Told
from domain.errors import Unavailable
from storage.crypto.keys import Keyring
from storage.mongo.client import DURABLE, READ_MS, SNAPSHOT, Database, Document
from storage.mongo.failures import WRITE_CONFLICT, translated
from storage.mongo.notice_documents import DROPPED, NOTICES, NUMBERS, TOLD, WAITING
from storage.mongo.notice_rows import opened

HELD = timedelta(seconds=10)
"""How long a notice belongs to who tells it."""
_SILENT = "The notifications do not answer"
_TOLD = "told"
_TRIES = 20


class MongoNotices:
    """The notices of one database. `arrived` is set when this process has stored some."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        clock: Callable[[], datetime],
        arrived: asyncio.Event,
        *,
        held: timedelta = HELD,
    ) -> None:
        self._rows = database[NOTICES]
        self._numbers = database[NUMBERS]
        self._keyring = keyring
        self._clock = clock
        self._held = held
        self._arrived = arrived

    def _for(self, recipients: Sequence[str]) -> Document:
        return {"recipients": {"$in": list(recipients)}, "shown": True, "due": {"$lte": self._clock()}}

    async def page(
        self, recipients: Sequence[str], reader: str, *, unread: bool, after: Place | None, count: int
    ) -> tuple[Sequence[Told], Place | None]:
        """See `domain.clinic.notice_ports.Notices.page`."""
        wanted = self._for(recipients)
        if unread:
            wanted["readers"] = {"$ne": reader}
        if after is not None:
            wanted["$or"] = [{"due": {"$lt": after.due}}, {"due": after.due, "_id": {"$lt": after.id}}]
        with translated(_SILENT):
            cursor = self._rows.find(wanted, sort=[("due", -1), ("_id", -1)], limit=count + 1, max_time_ms=READ_MS)
            rows = await cursor.to_list()
        shown = rows[:count]
        following = Place(shown[-1]["due"], shown[-1]["_id"]) if len(rows) > count and shown else None
        return await self._opened(shown, reader), following

    async def since(self, recipients: Sequence[str], reader: str, *, number: int, count: int) -> Sequence[Told]:
        """See `domain.clinic.notice_ports.Notices.since`."""
        wanted = {"recipients": {"$in": list(recipients)}, "state": TOLD, "number": {"$gt": number}}
        with translated(_SILENT):
            cursor = self._rows.find(wanted, sort=[("number", 1)], limit=count, max_time_ms=READ_MS)
            return await self._opened(await cursor.to_list(), reader)

    async def newest(self) -> int:
        with translated(_SILENT):
            found = await self._numbers.find_one({"_id": _TOLD}, max_time_ms=READ_MS)
        return 0 if found is None else int(found["n"])

    async def find(self, recipients: Sequence[str], reader: str, notice: str) -> Told | None:
        with translated(_SILENT):
            found = await self._rows.find_one({"_id": notice, **self._for(recipients)}, max_time_ms=READ_MS)
        return next(iter(await self._opened([found] if found else [], reader)), None)

    async def read(self, recipients: Sequence[str], reader: str, *, notice: str | None = None) -> int:
        """See `domain.clinic.notice_ports.Notices.read`."""
        wanted = self._for(recipients)
        if notice is not None:
            wanted["_id"] = notice
        else:
            wanted["readers"] = {"$ne": reader}
        with translated("The notifications could not be marked"):
            done = await self._rows.update_many(wanted, {"$addToSet": {"readers": reader}})
        return done.matched_count

    async def take(self) -> Told | None:
        """See `domain.clinic.notice_ports.Notices.take`. What cannot be opened any more is dropped on the way."""
        while True:
            now = self._clock()
            due = {"state": WAITING, "due": {"$lte": now}, "taken": {"$not": {"$gt": now}}}
            with translated(_SILENT):
                if await self._rows.find_one(due, {"_id": 1}, max_time_ms=READ_MS) is None:
                    return None
                row = await self._rows.find_one_and_update(
                    due, {"$set": {"taken": now + self._held}}, sort=[("due", 1)]
                )
            if row is None:
                return None
            found = next(iter(await self._opened([row], "")), None)
            if found is not None:
                return found
            await self.drop(row["_id"])

    async def told(self, notice: str) -> None:
        """See `domain.clinic.notice_ports.Notices.told`."""
        with translated("The notification could not be told"):
            for tried in range(_TRIES):
                if await self._told(notice):
                    return
                await asyncio.sleep(0.005 * tried)
        raise Unavailable("Others keep telling notifications; this one waits")

    async def _told(self, notice: str) -> bool:
        """False when somebody else was telling at this moment."""
        try:
            async with (
                self._rows.database.client.start_session() as session,
                await session.start_transaction(read_concern=SNAPSHOT, write_concern=DURABLE),
            ):
                counted: Document | None = await self._numbers.find_one_and_update(
                    {"_id": _TOLD},
                    {"$inc": {"n": 1}},
                    upsert=True,
                    return_document=ReturnDocument.AFTER,
                    session=session,
                )
                number = counted["n"] if counted else 1
                change = {"$set": {"state": TOLD, "shown": True, "number": number}}
                await self._rows.update_one({"_id": notice, "state": WAITING}, change, session=session)
        except DuplicateKeyError:
            return False
        except OperationFailure as error:
            if error.code == WRITE_CONFLICT or error.has_error_label("TransientTransactionError"):
                return False
            raise
        return True

    async def drop(self, notice: str) -> None:
        with translated("The notification could not be dropped"):
            await self._rows.update_one({"_id": notice, "state": WAITING}, {"$set": {"state": DROPPED, "shown": False}})

    async def arrived(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        except TimeoutError:
            return
        self._arrived.clear()

    async def _opened(self, rows: Sequence[Document], reader: str) -> list[Told]:
        keys = await self._keyring.for_reading({row["key"] for row in rows})
        found = (opened(row, keys.get(row["key"]), reader) for row in rows)
        return [each for each in found if each is not None]
