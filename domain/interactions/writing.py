"""The one write path: plan, commit, and plan again when somebody else was faster.

A plan is made from what the store says now. The store refuses it when that is no longer true (`VersionConflict` for a
version, `Contention` for a condition or an idempotency key), and then the plan is simply made again: a rule that the new
state breaks (If-Match, "several match") is raised by the plan itself, so no caller of this module ever sees a race.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar
from weakref import WeakValueDictionary

import msgspec

from domain.audit import AuditEntry
from domain.blobs import BlobClaim
from domain.cells import Cell
from domain.errors import Contention, NotFound, VersionConflict
from domain.identity import FhirJson, ResourceKey
from domain.interactions.guarding import authorize, may_see
from domain.interactions.labelling import labelled
from domain.interactions.parts import Answer, Occasion, Parts, kept_receipt, opened
from domain.notices import Notice
from domain.pushing import pushes
from domain.revision import (
    Change,
    Claim,
    Description,
    Head,
    Method,
    Receipt,
    Revision,
    Stored,
    Write,
    next_revision,
    tombstone,
    touched_patients,
)

_T = TypeVar("_T")

GIVE_UP_SECONDS = 8.0
"""How long a write without If-Match keeps trying against faster writers before it answers 409."""
FEWEST_TRIES = 3
"""How often it tries at least: on a machine that is busy with something else, one try may take that long by itself."""


_TURNS: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
"""Who lost a race for something in this process tries again in turn: fifty writers at once would else lose 1,225 races."""


class Overtaken(Exception):
    """The store has moved on since the plan was made; `over` names what the race was for."""

    def __init__(self, over: str) -> None:
        super().__init__()
        self.over = over


class Planned(msgspec.Struct, frozen=True):
    """What a write will answer, and the change it makes, if any. `claims` are the conditions it relied on.

    `others` are changes that come with it, `blobs` the documents that are published with all of them, `cells` what is
    booked and released, `notices` what somebody is told of it.
    """

    answer: Answer
    change: Change | None = None
    claims: tuple[Claim, ...] = ()
    others: tuple[Change, ...] = ()
    blobs: tuple[BlobClaim, ...] = ()
    cells: tuple[Cell, ...] = ()
    notices: tuple[Notice, ...] = ()


async def until_settled(attempt: Callable[[], Awaitable[_T]]) -> _T:
    """Run `attempt` until it does not lose a race; raises `Contention` when it keeps losing."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    pause, tries = 0.001, 0
    turn: asyncio.Lock | None = None
    while True:
        tries += 1
        try:
            async with _in_turn(turn, deadline):
                return await attempt()
        except Overtaken as lost:
            if time.monotonic() > deadline and tries >= FEWEST_TRIES:
                raise Contention("Other writers kept changing the same resource; nothing was stored") from lost
            turn = _TURNS.setdefault(lost.over, asyncio.Lock())
        await asyncio.sleep(random.uniform(0, pause))  # noqa: S311
        pause = min(pause * 2, 0.05)


@asynccontextmanager
async def _in_turn(turn: asyncio.Lock | None, deadline: float) -> AsyncIterator[None]:
    """With the turn, or without it at once when there is none, and after `deadline` when others kept it so long."""
    taken = False
    if turn is not None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0, deadline - time.monotonic())):
                taken = await turn.acquire()
    try:
        yield
    finally:
        if turn is not None and taken:
            turn.release()


async def write_one(parts: Parts, occasion: Occasion, plan: Callable[[], Awaitable[Planned]]) -> Answer:
    """Plan and commit one write, at most once per Idempotency-Key."""

    async def attempt() -> Answer:
        receipt = await kept_receipt(parts, occasion.retryable)
        if receipt is not None:
            return await answer_again(parts, occasion, receipt.outcomes[0])
        planned = await plan()
        if planned.change is not None:
            await authorize(parts, occasion.caller, planned.change)
            await authorize_others(parts, occasion, planned)
        await commit(parts, write_of(parts, occasion, planned))
        return msgspec.structs.replace(planned.answer, recorded=True)

    return await until_settled(attempt)


async def answer_again(parts: Parts, occasion: Occasion, outcome: tuple[int, str]) -> Answer:
    """The answer a receipt stands for, read back from the version it names: a request of its own in the audit.

    Raises `NotFound` when the caller may not see that version any more.
    """
    status, name = outcome
    if not name:
        return Answer(status)
    resource_type, logical_id, version = name.split("/")
    stored = await parts.store.version(ResourceKey(resource_type, logical_id), int(version))
    if stored is None or not await may_see(parts, occasion.caller, "r", stored):
        raise NotFound(f"There is no {name}")
    content = None if stored.head.deleted else await opened(parts, stored)
    return Answer(status, stored.head, content)


async def authorize_others(parts: Parts, occasion: Occasion, planned: Planned) -> None:
    """Raise `Forbidden` unless the caller may make the changes that come with a write to what there was already.

    A new Binary that comes with a resource is a part of it: who may write the resource may bring it."""
    for change in planned.others:
        if change.base is not None:
            await authorize(parts, occasion.caller, change)


def write_of(parts: Parts, occasion: Occasion, planned: Planned) -> Write:
    """The write that carries out one plan, with its receipt and an audit entry that names every version it makes."""
    changes = (planned.change, *planned.others) if planned.change else ()
    answer = planned.answer
    patients = touched_patients(changes) or answer.patients
    made = [change.revision.key.at(change.revision.version) for change in changes]
    targets = tuple(dict.fromkeys((*answer.targets, *made)))
    audit: AuditEntry = occasion.entry(parts, answer.status, targets, patients)
    receipt = receipt_of(occasion, (answer,))
    if not changes:
        return Write((), audit, planned.claims, receipt)
    return Write(changes, audit, planned.claims, receipt, planned.blobs, planned.cells, planned.notices)


def receipt_of(occasion: Occasion, answers: tuple[Answer, ...]) -> Receipt | None:
    """What to keep so that a retry of this request gets `answers` again; `None` without an Idempotency-Key."""
    if occasion.retryable is None:
        return None
    outcomes = tuple((a.status, a.targets[0] if a.targets else "") for a in answers)
    return Receipt(occasion.retryable.name, occasion.retryable.fingerprint, outcomes)


async def commit(parts: Parts, write: Write) -> None:
    """Commit, with what a provider is to be told of it; a lost race comes as `Overtaken`, so that it cannot be taken for a rule
    the plan broke."""
    asked = pushes(write)
    if asked:
        write = msgspec.structs.replace(write, notices=(*write.notices, *asked))
    try:
        await parts.store.commit(write)
    except (VersionConflict, Contention) as lost:
        raise Overtaken(_race(write)) from lost


def _race(write: Write) -> str:
    """What others may want to change too: a time, what a condition asks for, or a resource."""
    names = (
        *(cell.name for cell in write.cells),
        *(claim.name for claim in write.claims),
        *(str(change.revision.key) for change in write.changes),
    )
    return next(iter(names), "")


def changed(
    parts: Parts,
    occasion: Occasion,
    key: ResourceKey,
    content: FhirJson,
    *,
    method: Method,
    base: Stored | None,
    found: frozenset[str] = frozenset(),
) -> tuple[Change, Answer]:
    """The change that makes `content` the next version, and its answer: 201 for a new or revived resource, else 200.

    `found` are the words of the documents that belong to it.
    """
    content = labelled(parts, content, key, base)
    revision = next_revision(key, content, method=method, base=base, now=parts.clock())
    description = parts.describe.describe(content, key)
    if found:
        description = msgspec.structs.replace(description, found=found)
    created = base is None or base.head.deleted
    source = occasion.caller.subject if base is None else base.head.source
    answer = Answer(201 if created else 200, head_of(revision, description, source), revision.content)
    return Change(revision, description, base), answer


def removed(parts: Parts, base: Stored) -> tuple[Change, Answer]:
    """The change that deletes what `base` is the newest version of."""
    revision = tombstone(base.head.key, base=base, now=parts.clock())
    head = msgspec.structs.replace(
        base.head, version=revision.version, method="DELETE", recorded=revision.recorded, deleted=True
    )
    return Change(revision, None, base), Answer(204, head)


def head_of(revision: Revision, described: Description, source: str | None) -> Head:
    """The head of a version that is about to be written."""
    return Head(
        revision.key,
        revision.version,
        revision.method,
        revision.recorded,
        described.patient,
        labels=described.labels,
        patients=described.patients,
        facets=described.facets,
        source=source,
    )
