"""`domain.ports.Jobs` on MongoDB: leases by time, fencing by number, progress in the transaction of the step itself.

One job runs at a time: jobs describe resources with every parameter their process knows, and two at once could overwrite
each other with what one of them does not know yet. A step stores its descriptions and how far the job is together, or
nothing, and only while its fence is the newest: https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from pymongo import ReturnDocument, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError, OperationFailure

from domain.errors import Contention
from domain.jobs import Job
from domain.revision import Described
from storage.crypto.blind_index import TokenMaker
from storage.mongo.client import DURABLE, SNAPSHOT, Database, Document
from storage.mongo.documents import JOBS, RESOURCES
from storage.mongo.failures import WRITE_CONFLICT, translated
from storage.mongo.index_entries import FIELDS, index_entries

_RUNNER = {"_id": "runner"}
"""Who runs jobs now: one document `{until, job, fence}`, the lock that lets one job run at a time."""


class MongoJobs:
    """The jobs of one database."""

    def __init__(self, database: Database, tokens: TokenMaker) -> None:
        self._jobs = database[JOBS]
        self._resources = database[RESOURCES]
        self._tokens = tokens

    async def enqueue(self, job: Job) -> Job:
        """See `domain.ports.Jobs.enqueue`."""
        with translated("The job could not be stored"):
            try:
                await self._jobs.insert_one(_document(job))
            except DuplicateKeyError:
                found = await self._jobs.find_one({"_id": job.id})
                return job if found is None else _job(found)
        return job

    async def get(self, job_id: str) -> Job | None:
        with translated("The job could not be read"):
            found = await self._jobs.find_one({"_id": job_id, "types": {"$exists": True}})
        return None if found is None else _job(found)

    async def retry(self, job_id: str) -> None:
        """See `domain.ports.Jobs.retry`."""
        again = {"state": "queued", "turn": 1, "cursor": "", "done": 0, "total": None, "started": None, "problem": None}
        with translated("The job could not be queued"):
            await self._jobs.update_one({"_id": job_id, "state": "failed"}, {"$set": again})

    async def claim(self, *, before: datetime, now: datetime, until: datetime) -> Job | None:
        """See `domain.ports.Jobs.claim`."""
        ready = {"state": {"$in": ["queued", "running"]}, "created": {"$lt": before}}
        with translated("The jobs could not be claimed"):
            if await self._jobs.find_one(ready, {"_id": 1}) is None:
                return None
            fence = await self._take(now, until)
            if fence is None:
                return None
            found = await self._jobs.find_one_and_update(
                ready,
                {"$set": {"state": "running", "fence": fence}},
                sort=[("created", 1), ("_id", 1)],
                return_document=ReturnDocument.AFTER,
            )
        return None if found is None else _job(found)

    async def _take(self, now: datetime, until: datetime) -> int | None:
        """The right to run jobs, as a fence; `None` while another process holds it."""
        try:
            held: Document | None = await self._jobs.find_one_and_update(
                {**_RUNNER, "until": {"$lt": now}},
                {"$set": {"until": until}, "$inc": {"fence": 1}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError:
            return None
        return None if held is None else int(held["fence"])

    async def step(self, job: Job, described: Sequence[Described], *, until: datetime) -> bool:
        """See `domain.ports.Jobs.step`."""
        with translated("The step could not be stored"):
            async with self._jobs.database.client.start_session() as session:
                try:
                    async with await session.start_transaction(read_concern=SNAPSHOT, write_concern=DURABLE):
                        await self._store(session, job, described, until)
                except OperationFailure as error:
                    if error.code == WRITE_CONFLICT or error.has_error_label("TransientTransactionError"):
                        return False
                    raise
        return True

    async def _store(
        self, session: AsyncClientSession, job: Job, described: Sequence[Described], until: datetime
    ) -> None:
        over = job.state != "running"
        held = await self._jobs.update_one(
            {**_RUNNER, "fence": job.fence},
            {"$set": {"until": job.updated if over else until}},
            session=session,
        )
        if not held.matched_count:
            raise Contention("Another process has taken over this job")
        await self._jobs.replace_one({"_id": job.id}, _document(job), session=session)
        updates = [UpdateOne(*_redescribed(each, self._tokens)) for each in described]
        if updates:
            await self._resources.bulk_write(updates, ordered=False, session=session)


def _redescribed(described: Described, tokens: TokenMaker) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The new index entries of one version; a newer one has been described by whoever wrote it."""
    head = described.head
    entries = index_entries(head.key.type, described.description, tokens)
    current = {"_id": str(head.key), "version": head.version, "deleted": False, "erased": False}
    gone = [name for name in FIELDS if name not in entries]
    return current, {"$set": entries, **({"$unset": dict.fromkeys(gone, "")} if gone else {})}


def _document(job: Job) -> Document:
    row = msgspec.to_builtins(job, builtin_types=(datetime,))
    return {"_id": row.pop("id"), **row}


def _job(document: Document) -> Job:
    return msgspec.convert({"id": document["_id"], **document}, Job, strict=False)
