"""Commits: concurrent writes share one transaction, and each still succeeds or fails by itself.

Optimistic: a batch is sent as if nobody else wrote. When the database finds a collision the batch is undone, the writes
whose base is no longer the newest are answered (`VersionConflict`, `Contention`), and the others go again at once.
Nothing is acknowledged before the transaction that holds it is durable.

The unique `revisions._id`, the compare-and-swap on `resources.version`, `claims.n` and `cells.n`, and the unique receipts
are the locks. What this process committed a moment ago is remembered, only to answer stale writes without a round trip.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence

from pymongo.errors import PyMongoError

from domain.errors import Contention, DomainError, Gone, OutcomeUnknown, Unavailable, VersionConflict
from domain.revision import Write
from storage.crypto.keys import Keyring
from storage.crypto.sealing import SealingKey
from storage.mongo.abandoned import AbandonedTransactions
from storage.mongo.batching import Job, OneInFlight
from storage.mongo.blob_documents import BLOBS, published
from storage.mongo.chains import AuditChain, Links
from storage.mongo.client import READ_MS, Database
from storage.mongo.documents import AUDIT, CELLS, CLAIMS, HEADS, RECEIPTS, RESOURCES
from storage.mongo.failures import translated
from storage.mongo.preparing import Prepared, born, owners, prepare, tip_of
from storage.mongo.recent import Recent
from storage.mongo.statements import claimed, statements
from storage.mongo.transactions import Collided, Interrupted, run_transaction

MOST_WRITES = 500
HEAVIEST_BYTES = 12_000_000
ATTEMPTS = 14
"""Tries before a write that nobody overtook gives up: with the pauses between them, about three seconds."""
PATIENCE = 4
"""Tries after which whoever holds the document is suspected to be dead: a tenth of a second."""
OUTAGE_SECONDS = 3.0
"""An attempt interrupted after this long is not repeated: the caller would wait twice for a server that is not there."""


class Pending:
    """A prepared write on its way, with what happened to it so far."""

    __slots__ = ("collisions", "interruptions", "prepared")

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.collisions = 0
        self.interruptions = 0


CommitJob = Job[Pending, None]
Keys = Mapping[str, SealingKey | DomainError]


class Commits:
    """Commits writes in batches. `close` it before the client. `noticed` is set when notices were stored."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring
        self.noticed = asyncio.Event()
        self._chain = AuditChain(database[HEADS], keyring, "w")
        self._recent = Recent()
        self._abandoned = AbandonedTransactions(database.client)
        self._keys = OneInFlight[frozenset[str], Keys](self._fetch_keys, most=1_000)
        self._batches = OneInFlight[Pending, None](
            self._store, most=MOST_WRITES, heaviest=HEAVIEST_BYTES, weigh=lambda pending: pending.prepared.size
        )

    async def commit(self, write: Write) -> None:
        """See `domain.ports.RevisionStore.commit`."""
        new = born(write)
        made = await self._keyring.make(new) if new else []
        keys = {one.owned.owner: one.owned.for_sealing() for one in made}
        keys |= await self._keys_of(owners(write) - keys.keys())
        tips = await self._tips_of(write)
        prepared = await prepare(write, keys, tips, self._keyring, made)
        await self._batches.submit(Pending(prepared))
        self._keyring.adopt(made)
        if write.notices:
            self.noticed.set()

    async def close(self) -> None:
        """Finish what was accepted, then store the audit chain's last head."""
        await self._keys.close()
        await self._batches.close()
        try:
            await self._chain.close()
        except PyMongoError:
            # The head of a second ago stays; `verify` accepts entries that follow it.
            return

    async def _keys_of(self, names: set[str]) -> dict[str, SealingKey]:
        found: dict[str, SealingKey] = {}
        for owner in names:
            key = self._keyring.cached_for_writing(owner)
            if key is not None:
                found[owner] = key
        if len(found) < len(names):
            # New patients' keys are made for all waiting writes together: a key of its own costs a durable insert.
            for owner, made in (await self._keys.submit(frozenset(names - found.keys()))).items():
                if isinstance(made, DomainError):
                    raise made
                found[owner] = made
        return found

    async def _fetch_keys(self, jobs: Sequence[Job[frozenset[str], Keys]]) -> None:
        keys = await self._keyring.writable({owner for job in jobs for owner in job.item})
        for job in jobs:
            job.answer({owner: keys[owner] for owner in job.item})

    async def _tips_of(self, write: Write) -> dict[str, bytes]:
        """The hash each new version links to, by resource: from the base as read, else looked up."""
        tips: dict[str, bytes] = {}
        missing: dict[str, int] = {}
        for change in write.changes:
            tip, name = tip_of(change), str(change.revision.key)
            if tip is not None:
                tips[name] = tip
            elif change.base is not None:
                missing[name] = change.replaces
        if missing:
            with translated("The database does not answer"):
                selected = {"_id": {"$in": list(missing)}}
                async for found in self._database[RESOURCES].find(
                    selected, {"version": 1, "tip": 1}, max_time_ms=READ_MS
                ):
                    if found["version"] == missing[found["_id"]]:
                        tips[found["_id"]] = found["tip"]
            for name, version in missing.items():
                if name not in tips:
                    raise VersionConflict(f"{name} is no longer at version {version}")
        return tips

    async def _store(self, jobs: Sequence[CommitJob]) -> None:
        """One batch: those that can go together. The others are left for the next."""
        chosen = self._together(jobs)
        if not chosen:
            return
        writes = [job.item.prepared for job in chosen]
        started = time.monotonic()
        try:
            links = await self._linked(writes)
            moved = {name: number + 1 for write in writes for name, number in write.touches.items()}
            moved.update(claimed(writes))
            commands = statements(writes, moved, links, self._keyring.stored.documents)
            await run_transaction(self._database, commands, lambda: self._happened(links))
        except Collided:
            await self._dismiss_stale(chosen)
            if chosen[0].item.collisions >= PATIENCE:
                await self._abandoned.end()
            _after_collision(chosen)
        except Interrupted:
            _after_interruption(chosen, time.monotonic() - started)
        except DomainError as error:
            if isinstance(error, OutcomeUnknown):
                self._chain.abandon()
            for job in chosen:
                job.fail(error)
        else:
            self._chain.stored(links)
            self._recent.remember(moved)
            for job in chosen:
                job.answer(None)

    def _together(self, jobs: Sequence[CommitJob]) -> list[CommitJob]:
        """The jobs that may share a transaction: not stale for all we know, no two touching one document.

        A job that collided for no reason found goes alone, until it is known which of its batch was to blame.
        """
        taken: set[str | bytes] = set()
        chosen: list[CommitJob] = []
        for job in jobs:
            touches = job.item.prepared.touches
            stale = self._recent.stale(touches)
            if stale is not None:
                job.fail(_overtaken(stale, job.item.prepared))
            elif job.item.collisions:
                if not chosen:
                    return [job]
            elif taken.isdisjoint(touches):
                taken.update(touches)
                chosen.append(job)
        return chosen

    async def _linked(self, writes: Sequence[Prepared]) -> Links:
        try:
            return await self._chain.link([write.audit for write in writes])
        except PyMongoError as error:
            self._chain.abandon()
            raise Unavailable(f"The database cannot start an audit chain ({type(error).__name__})") from None

    async def _happened(self, links: Links) -> bool:
        try:
            found = await self._database[AUDIT].find_one({"_id": links.names[0]}, {"_id": 1}, max_time_ms=READ_MS)
        except PyMongoError:
            return False
        return found is not None

    async def _dismiss_stale(self, jobs: Sequence[CommitJob]) -> None:
        """Answer the jobs whose expectations no longer hold, as of now and durably."""
        try:
            with translated("The database does not answer"):
                numbers = await self._numbers({name for job in jobs for name in job.item.prepared.touches})
        except Unavailable as error:
            for job in jobs:
                job.fail(error)
            return
        for job in jobs:
            for name, expected in job.item.prepared.touches.items():
                if numbers.get(name, 0) != expected:
                    job.fail(_overtaken(name, job.item.prepared))

    async def _numbers(self, names: set[str | bytes]) -> dict[str | bytes, int]:
        """What the named resources, claims, cells and receipts count now; absent is 0."""
        blobs = [name for name in names if isinstance(name, str) and name.startswith(f"{BLOBS}/")]
        resources = [name for name in names if isinstance(name, str) and name not in blobs]
        others = [name for name in names if isinstance(name, bytes)]
        numbers = await published(self._database, blobs) if blobs else {}
        for collection, field, wanted in (
            (RESOURCES, "version", resources),
            (CLAIMS, "n", others),
            (CELLS, "n", others),
            (RECEIPTS, "at", others),
        ):
            if wanted:
                found = self._database[collection].find({"_id": {"$in": wanted}}, {field: 1}, max_time_ms=READ_MS)
                async for document in found:
                    value = document[field]
                    numbers[document["_id"]] = value if isinstance(value, int) else 1
        return numbers


def _overtaken(name: str | bytes, write: Prepared) -> DomainError:
    if isinstance(name, bytes):
        return Contention("Another request that relied on the same condition, or used the same key, was faster")
    if name.startswith(f"{BLOBS}/"):
        return Gone("An upload is not waiting to be published: it was published already, or has expired")
    replaces = write.touches[name]
    return VersionConflict(f"{name} is no longer at version {replaces}" if replaces else f"{name} exists already")


def _after_collision(jobs: Sequence[CommitJob]) -> None:
    """What becomes of jobs that were not stored because something in their batch collided."""
    left = [job for job in jobs if not job.answered]
    if len(left) < len(jobs):
        # Those to blame are found and answered: the others go again at once, together.
        return
    for job in left:
        job.item.collisions += 1
        if job.item.collisions >= ATTEMPTS:
            job.fail(Contention("Other writers were faster, nothing was stored"))
    if len(jobs) == 1:
        # This one is to blame: someone holds its document. It waits without holding up the others.
        jobs[0].pause_seconds = _pause(jobs[0].item.collisions)


def _after_interruption(jobs: Sequence[CommitJob], seconds: float) -> None:
    """The whole batch comes again, together, a moment later; not when it took `seconds` to find no server."""
    pause = _pause(max(job.item.interruptions for job in jobs) + 1)
    for job in jobs:
        job.item.interruptions += 1
        job.pause_seconds = pause
        if job.item.interruptions >= ATTEMPTS or seconds > OUTAGE_SECONDS:
            job.fail(Unavailable("The database keeps interrupting writes, nothing was stored"))


def _pause(tries: int) -> float:
    seconds: float = min(0.5, 0.004 * 2**tries)
    return random.uniform(0.5, 1.0) * seconds  # noqa: S311
