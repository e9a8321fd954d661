"""`domain.outbox.Outbox` on MongoDB: one row a parcel, taken by one atomic update that also ends an older taking.

What a parcel holds goes as soon as it has arrived; the fact stays for 30 days. A row is taken by putting off its next try
(`HELD`): who dies with it in hand leaves it to the next, and who comes back too late finds that `tries` has moved on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from pymongo import ReturnDocument, UpdateOne

from domain.errors import DomainError, IntegrityFailure
from domain.outbox import HELD, Channel, Delivery, Parcel, Taken
from storage.crypto.keys import ACCOUNTS, Keyring, patient_owner
from storage.crypto.sealing import open_sealed, place, seal
from storage.mongo.client import READ_MS, Database, Document
from storage.mongo.failures import translated
from storage.mongo.notice_documents import OUTBOX, WAITING

KEPT = timedelta(days=30)
SENT, FAILED = "SENT", "FAILED"
_SILENT = "The outbox does not answer"


class MongoOutbox:
    """The outbox of one database."""

    def __init__(
        self, database: Database, keyring: Keyring, clock: Callable[[], datetime], *, held: timedelta = HELD
    ) -> None:
        self._rows = database[OUTBOX]
        self._keyring = keyring
        self._clock = clock
        self._held = held
        self._arrived: dict[Channel, asyncio.Event] = {}

    async def put(self, parcels: Sequence[Parcel]) -> None:
        """See `domain.outbox.Outbox.put`. What is for a patient who was erased meanwhile is left out."""
        keys = await self._keyring.writable({_owner(parcel) for parcel in parcels})
        writes: list[UpdateOne] = []
        for parcel in parcels:
            key = keys[_owner(parcel)]
            if isinstance(key, DomainError):
                if parcel.patient is None:
                    raise key
                continue
            sealed = {"key": key.id, "sealed": seal(key, _place(parcel.id), parcel.content)}
            writes.append(UpdateOne({"_id": parcel.id}, {"$setOnInsert": self._row(parcel) | sealed}, upsert=True))
        if not writes:
            return
        with translated("The outbox could not take it"):
            await self._rows.bulk_write(writes, ordered=False)
        for channel in {parcel.channel for parcel in parcels}:
            self._event(channel).set()

    def _row(self, parcel: Parcel) -> Document:
        now = self._clock()
        return {
            "channel": parcel.channel,
            "kind": parcel.kind,
            "to": parcel.to,
            "patient": parcel.patient,
            "state": WAITING,
            "next": now,
            "tries": 0,
            "since": 0,
            "created": now,
        }

    async def take(self, channel: Channel) -> Taken | None:
        """See `domain.outbox.Outbox.take`."""
        now = self._clock()
        due = {"channel": channel, "state": WAITING, "next": {"$lte": now}}
        with translated(_SILENT):
            # Looked at first: an update that finds nothing costs the journal a write all the same.
            if await self._rows.find_one(due, {"_id": 1}, max_time_ms=READ_MS) is None:
                return None
            found = await self._rows.find_one_and_update(
                due,
                {"$set": {"next": now + self._held}, "$inc": {"tries": 1}},
                sort=[("next", 1)],
                return_document=ReturnDocument.AFTER,
            )
        return None if found is None else await self._opened(found)

    async def _opened(self, row: Document) -> Taken:
        keys = await self._keyring.for_reading([row["key"]])
        key, content = keys.get(row["key"]), b""
        if key is not None:
            with suppress(IntegrityFailure):  # given up like what cannot be delivered, instead of coming back for ever
                content = open_sealed(key, _place(row["_id"]), row["sealed"])
        parcel = Parcel(
            id=row["_id"],
            channel=row["channel"],
            kind=row["kind"],
            content=content,
            to=row["to"],
            patient=row["patient"],
        )
        return Taken(parcel, row["tries"] - row["since"], row["tries"])

    async def arrived(self, channel: Channel, seconds: float) -> None:
        event = self._event(channel)
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return
        event.clear()

    def _event(self, channel: Channel) -> asyncio.Event:
        return self._arrived.setdefault(channel, asyncio.Event())

    async def sent(self, taken: Taken, said: str) -> None:
        await self._over(taken, SENT, said, ("key", "sealed"))

    async def failed(self, taken: Taken, said: str, *, again: timedelta | None) -> None:
        """See `domain.outbox.Outbox.failed`. What is given up keeps its content, so that it can be tried once more."""
        if again is None:
            await self._over(taken, FAILED, said, ())
            return
        with translated("The outbox could not note the failure"):
            await self._rows.update_one(self._mine(taken), {"$set": {"said": said, "next": self._clock() + again}})

    async def _over(self, taken: Taken, state: str, said: str, dropped: Sequence[str]) -> None:
        change: Document = {"$set": {"state": state, "said": said, "gone": self._clock() + KEPT}}
        if dropped:
            change["$unset"] = dict.fromkeys(dropped, 1)
        with translated("The outbox could not note the delivery"):
            await self._rows.update_one(self._mine(taken), change)

    def _mine(self, taken: Taken) -> Document:
        return {"_id": taken.parcel.id, "state": WAITING, "tries": taken.fence}

    async def deliveries(self, to: str, *, after: str | None, count: int) -> Sequence[Delivery]:
        """See `domain.outbox.Outbox.deliveries`."""
        wanted: Document = {"to": to, "channel": "webhook"}
        with translated(_SILENT):
            last = None if after is None else await self._rows.find_one({"_id": after, **wanted}, {"created": 1})
            if last is not None:
                older = {"created": {"$lt": last["created"]}}
                wanted["$or"] = [older, {"created": last["created"], "_id": {"$lt": after}}]
            order = [("created", -1), ("_id", -1)]
            cursor = self._rows.find(wanted, {"sealed": 0}, sort=order, limit=count, max_time_ms=READ_MS)
            return [_delivery(row) for row in await cursor.to_list()]

    async def retry(self, to: str, parcel: str) -> bool:
        """See `domain.outbox.Outbox.retry`."""
        given_up = {"_id": parcel, "to": to, "state": FAILED}
        again: list[Document] = [
            {"$set": {"state": WAITING, "next": self._clock(), "since": "$tries"}},
            {"$unset": "gone"},
        ]
        with translated("The outbox could not take it again"):
            found = await self._rows.find_one_and_update(given_up, again, {"channel": 1})
        if found is not None:
            self._event(found["channel"]).set()
        return found is not None

    async def withdraw(self, to: str) -> None:
        """See `domain.outbox.Outbox.withdraw`."""
        with translated("The outbox could not be cleared"):
            await self._rows.delete_many({"to": to})


def _owner(parcel: Parcel) -> str:
    """Whose key seals it: with the patient goes what was to be said of them."""
    return ACCOUNTS if parcel.patient is None else patient_owner(parcel.patient)


def _place(parcel_id: str) -> str:
    return place(f"{OUTBOX}/{parcel_id}")


def _delivery(row: Document) -> Delivery:
    return Delivery(
        id=row["_id"],
        kind=row["kind"],
        state=row["state"],
        tries=row["tries"],
        created=row["created"],
        next=row["next"] if row["state"] == WAITING else None,
        said=row.get("said"),
    )
