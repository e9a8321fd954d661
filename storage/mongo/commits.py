"""Commits: concurrent writes share one transaction, and each still succeeds or fails by itself.

Optimistic: a batch is sent as if nobody else wrote. When the database finds a collision the batch is undone, the writes
whose base is no longer the newest are answered (`VersionConflict`, `Contention`), and the others go again at once.
Nothing is acknowledged before the transaction that holds it is durable.

The unique `revisions._id`, the compare-and-swap on `resources.version` and on `claims.n`, and the unique receipts are
the locks. What this process committed a moment ago is remembered, only to answer stale writes without a round trip.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo.errors import PyMongoError

from domain.errors import Contention, DomainError, OutcomeUnknown, Unavailable, VersionConflict
from domain.revision import Write
from storage.crypto.keys import Keyring
from storage.crypto.sealing import SealingKey
from storage.mongo.batching import Job, OneInFlight
from storage.mongo.chains import AuditChain, Links
from storage.mongo.client import READ_MS, Database
from storage.mongo.documents import AUDIT, CLAIMS, HEADS, RECEIPTS, RESOURCES, REVISIONS, encode_document
from storage.mongo.failures import translated
from storage.mongo.preparing import Prepared, owners, prepare, tip_of
from storage.mongo.recent import Recent
from storage.mongo.transactions import Collided, Interrupted, Statement, inserts, run_transaction, updates

MOST_WRITES = 500
HEAVIEST_BYTES = 12_000_000
ATTEMPTS = 12
ALONE_AFTER = 3
"""A write that met this many collisions goes alone, so that one contended resource does not hold up the others."""

CommitJob = Job[Prepared, None]
Keys = Mapping[str, SealingKey | DomainError]


class Commits:
    """Commits writes in batches. `close` it before the client."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring
        self._chain = AuditChain(database[HEADS], keyring, "w")
        self._recent = Recent()
        self._keys = OneInFlight[frozenset[str], Keys](self._fetch_keys, most=1_000)
        self._batches = OneInFlight[Prepared, None](
            self._store, most=MOST_WRITES, heaviest=HEAVIEST_BYTES, weigh=lambda prepared: prepared.size
        )

    async def commit(self, write: Write) -> None:
        """See `domain.ports.RevisionStore.commit`."""
        keys = await self._keys_of(owners(write))
        tips = await self._tips_of(write)
        prepared = await prepare(write, keys, tips, self._keyring)
        await self._batches.submit(prepared)

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
        writes = [job.item for job in chosen]
        try:
            links = await self._linked(writes)
            moved = {name: number + 1 for write in writes for name, number in write.touches.items()}
            moved.update(_claimed(writes))
            await run_transaction(self._database, _statements(writes, moved, links), lambda: self._happened(links))
        except Collided:
            await self._dismiss_stale(chosen)
            await _back_off(chosen, Contention("Other writers were faster, nothing was stored"))
        except Interrupted:
            await _back_off(chosen, Unavailable("The database keeps interrupting writes, nothing was stored"))
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
        """The jobs that may share a transaction: not stale for all we know, no two touching one document."""
        taken: set[str | bytes] = set()
        chosen: list[CommitJob] = []
        for job in jobs:
            stale = self._recent.stale(job.item.touches)
            if stale is not None:
                job.fail(_overtaken(stale, job.item))
            elif taken.isdisjoint(job.item.touches):
                taken.update(job.item.touches)
                chosen.append(job)
        if chosen and chosen[0].attempts >= ALONE_AFTER:
            return chosen[:1]
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
                numbers = await self._numbers({name for job in jobs for name in job.item.touches})
        except Unavailable as error:
            for job in jobs:
                job.fail(error)
            return
        for job in jobs:
            for name, expected in job.item.touches.items():
                if numbers.get(name, 0) != expected:
                    job.fail(_overtaken(name, job.item))

    async def _numbers(self, names: set[str | bytes]) -> dict[str | bytes, int]:
        """What the named resources, claims and receipts count now; absent is 0."""
        resources = [name for name in names if isinstance(name, str)]
        others = [name for name in names if isinstance(name, bytes)]
        numbers: dict[str | bytes, int] = {}
        for collection, field, wanted in (
            (RESOURCES, "version", resources),
            (CLAIMS, "n", others),
            (RECEIPTS, "at", others),
        ):
            if wanted:
                found = self._database[collection].find({"_id": {"$in": wanted}}, {field: 1}, max_time_ms=READ_MS)
                async for document in found:
                    value = document[field]
                    numbers[document["_id"]] = value if isinstance(value, int) else 1
        return numbers


def _claimed(writes: Sequence[Prepared]) -> dict[str | bytes, int]:
    """What the claims of this batch will count.

    A new claim starts at the time in microseconds, not at 1: claims expire, and one that is made again must not count
    what an older one has counted.
    """
    now = time.time_ns() // 1_000
    return {claim.name: claim.number + 1 if claim.number else now for write in writes for claim in write.claims}


def _statements(writes: Sequence[Prepared], numbers: Mapping[str | bytes, int], links: Links) -> Iterator[Statement]:
    """The commands of one transaction, what collides most first."""
    now = datetime.now(UTC)
    claims = [claim for write in writes for claim in write.claims]
    yield from inserts(
        CLAIMS,
        [encode_document({"_id": name, "n": numbers[name], "at": now}) for name, seen in claims if not seen],
    )
    used: dict[str, Any] = {"$inc": {"n": 1}, "$set": {"at": now}}
    yield from updates(CLAIMS, [({"_id": name, "n": seen}, used, 100) for name, seen in claims if seen])
    yield from inserts(RECEIPTS, [write.receipt for write in writes if write.receipt is not None])
    currents = [current for write in writes for current in write.currents]
    yield from updates(
        RESOURCES,
        [
            ({"_id": name, "version": replaces}, RawBSONDocument(document), len(document))
            for name, replaces, document in currents
            if replaces
        ],
    )
    yield from inserts(RESOURCES, [document for _, replaces, document in currents if not replaces])
    yield from inserts(REVISIONS, [raw for write in writes for raw in write.revisions])
    yield from inserts(AUDIT, links.documents)


def _overtaken(name: str | bytes, write: Prepared) -> DomainError:
    if isinstance(name, bytes):
        return Contention("Another request that relied on the same condition, or used the same key, was faster")
    replaces = write.touches[name]
    return VersionConflict(f"{name} is no longer at version {replaces}" if replaces else f"{name} exists already")


async def _back_off(jobs: Sequence[CommitJob], failure: DomainError) -> None:
    """Wait a moment when none of the jobs was to blame; give up on those tried often enough."""
    left = [job for job in jobs if not job.answered]
    for job in left:
        if job.attempts + 1 >= ATTEMPTS:
            job.fail(failure)
    if left and len(left) == len(jobs):
        await asyncio.sleep(random.random() * min(0.2, 0.002 * 2 ** max(job.attempts for job in left)))  # noqa: S311
