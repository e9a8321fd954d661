"""`domain.clinic.sync_runs.Runs` on MongoDB: leases by time, fencing by number, as `storage/mongo/jobs.py`.

A unique index lets a patient have one run that is not over: of two who start one, one finds the other's.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import msgspec
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from domain.clinic.sync_runs import Run
from domain.errors import Contention
from storage.crypto.keys import Keyring, patient_owner
from storage.crypto.sealing import SealingKey, open_sealed, place, seal
from storage.mongo.client import READ_MS, Database, Document
from storage.mongo.failures import translated
from storage.mongo.sync_documents import SYNC_RUNS

KEPT = timedelta(days=400)
"""How long a run that is over is shown."""
_SILENT = "The synchronisations do not answer"
_PLAIN = ("patient", "state", "cancel", "created", "fence")
_run = msgspec.msgpack.Decoder(Run)


class MongoRuns:
    """The runs of one database."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._rows = database[SYNC_RUNS]
        self._keyring = keyring
        self._arrived = asyncio.Event()

    async def enqueue(self, run: Run) -> Run:
        """See `domain.clinic.sync_runs.Runs.enqueue`."""
        row = {"_id": run.id, "created": run.created, "until": run.created, **await self._fields(run)}
        while True:
            with translated("The synchronisation could not be queued"):
                try:
                    await self._rows.insert_one(row)
                    self._arrived.set()
                    return run
                except DuplicateKeyError:
                    found = await self._rows.find_one({"patient": run.patient, "open": True}, max_time_ms=READ_MS)
            other = None if found is None else await self._opened(found)
            if other is not None:
                return other

    async def arrived(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        except TimeoutError:
            return
        self._arrived.clear()

    async def get(self, run_id: str) -> Run | None:
        with translated(_SILENT):
            found = await self._rows.find_one({"_id": run_id}, max_time_ms=READ_MS)
        return None if found is None else await self._opened(found)

    async def newest(self, patient: str) -> Run | None:
        order = [("created", -1), ("_id", -1)]
        with translated(_SILENT):
            found = await self._rows.find_one({"patient": patient}, sort=order, max_time_ms=READ_MS)
        return None if found is None else await self._opened(found)

    async def claim(self, *, now: datetime, until: datetime) -> Run | None:
        """See `domain.clinic.sync_runs.Runs.claim`. What cannot be opened any more is removed on the way."""
        ready = {"open": True, "until": {"$lte": now}}
        while True:
            with translated(_SILENT):
                # Looked at first: an update that finds nothing costs the journal a write all the same.
                if await self._rows.find_one(ready, {"_id": 1}, max_time_ms=READ_MS) is None:
                    return None
                found = await self._rows.find_one_and_update(
                    ready,
                    {"$set": {"state": "RUNNING", "until": until}, "$inc": {"fence": 1}},
                    sort=[("until", 1)],
                    return_document=ReturnDocument.AFTER,
                )
            if found is None:
                return None
            run = await self._opened(found)
            if run is not None:
                return run
            with translated(_SILENT):
                await self._rows.delete_one({"_id": found["_id"]})

    async def step(self, run: Run, *, until: datetime) -> bool:
        """See `domain.clinic.sync_runs.Runs.step`."""
        return await self._changed(run, {**await self._fields(run), "until": until})

    async def beat(self, run: Run, *, until: datetime) -> bool:
        return await self._changed(run, {"until": until})

    async def end(self, run: Run) -> None:
        """See `domain.clinic.sync_runs.Runs.end`."""
        gone = (run.ended or run.created) + KEPT
        await self._changed(run, {**await self._fields(run), "gone": gone})

    async def _changed(self, run: Run, fields: Document) -> bool:
        fields.pop("cancel", None)  # is set by who cancels
        with translated("The synchronisation could not be noted"):
            found = await self._rows.find_one_and_update(
                {"_id": run.id, "fence": run.fence, "open": True}, {"$set": fields}, {"cancel": 1}
            )
        if found is None:
            raise Contention("Another process has taken over this synchronisation")
        return bool(found["cancel"])

    async def cancel(self, run_id: str) -> Run | None:
        """See `domain.clinic.sync_runs.Runs.cancel`."""
        with translated("The synchronisation could not be cancelled"):
            found = await self._rows.find_one_and_update(
                {"_id": run_id, "open": True}, {"$set": {"cancel": True}}, return_document=ReturnDocument.AFTER
            )
        return await self.get(run_id) if found is None else await self._opened(found)

    async def _fields(self, run: Run) -> Document:
        key = (await self._keyring.for_writing([patient_owner(run.patient)]))[patient_owner(run.patient)]
        return {
            "patient": run.patient,
            "state": run.state,
            "open": run.open,
            "cancel": run.cancel,
            "fence": run.fence,
            "key": key.id,
            "sealed": seal(key, _place(run.id), msgspec.msgpack.encode(run)),
        }

    async def _opened(self, row: Document) -> Run | None:
        """The run of a row; `None` when its patient was erased."""
        key: SealingKey | None = (await self._keyring.for_reading([row["key"]])).get(row["key"])
        if key is None:
            return None
        run = _run.decode(open_sealed(key, _place(row["_id"]), row["sealed"]))
        return msgspec.structs.replace(run, **{name: row[name] for name in _PLAIN})


def _place(run_id: str) -> str:
    return place(f"{SYNC_RUNS}/{run_id}")
