"""One transaction as data: the commands of a batch, sent in order, committed `majority, j:true` or not at all.

The outcome is always one of four: it returns (durable), `Collided` (someone else wrote one of these, nothing stored),
`Interrupted` (nothing stored, may work if tried again), or a domain error, where `OutcomeUnknown` is kept for the one
case in which nobody can say. https://www.mongodb.com/docs/manual/core/transactions-in-applications/

Commands are sent as such, not through `insert_many`, because the documents are bytes already: 3 us per document less.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import pymongo
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import OperationFailure, PyMongoError, ServerSelectionTimeoutError

from domain.errors import AuditUnavailable, OutcomeUnknown, Unavailable
from storage.mongo.client import DURABLE, SNAPSHOT, Database
from storage.mongo.documents import AUDIT
from storage.mongo.failures import DUPLICATE_KEY, WRITE_CONFLICT

SLICE_DOCUMENTS, SLICE_BYTES = 1_000, 8_000_000
"""One command carries at most this much; MongoDB takes 100,000 documents and 48 MB."""
COMMIT_MS = 10_000
COMMIT_SECONDS = 15.0
"""How long a commit of unknown outcome is tried again before the database is asked whether it happened."""


class Collided(Exception):
    """Another writer was faster at one of the documents. Nothing was stored."""


class Interrupted(Exception):
    """The transaction ended without being stored, for a reason that may be gone at the next try."""


class Statement(NamedTuple):
    """One command, how many documents it must have touched, and its database when that is another."""

    collection: str
    command: dict[str, Any]
    expected: int
    database: str | None = None


def inserts(collection: str, documents: Iterable[bytes], database: str | None = None) -> Iterator[Statement]:
    """Insert encoded documents, in commands of bounded size."""
    for part in slices(documents):
        command = {"insert": collection, "ordered": True, "documents": [RawBSONDocument(raw) for raw in part]}
        yield Statement(collection, command, len(part), database)


def updates(collection: str, changes: Sequence[tuple[dict[str, Any], Any, int]]) -> Iterator[Statement]:
    """Updates `(filter, replacement or operators, bytes)` of which every one must match."""
    start = size = 0
    for end, change in enumerate(changes):
        if end > start and (end - start == SLICE_DOCUMENTS or size + change[2] > SLICE_BYTES):
            yield _update(collection, changes[start:end])
            start, size = end, 0
        size += change[2]
    if start < len(changes):
        yield _update(collection, changes[start:])


def _update(collection: str, changes: Sequence[tuple[dict[str, Any], Any, int]]) -> Statement:
    ops = [{"q": selected, "u": change, "multi": False, "upsert": False} for selected, change, _ in changes]
    return Statement(collection, {"update": collection, "ordered": True, "updates": ops}, len(ops))


def slices(documents: Iterable[bytes]) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    size = 0
    for raw in documents:
        if part and (len(part) == SLICE_DOCUMENTS or size + len(raw) > SLICE_BYTES):
            yield part
            part, size = [], 0
        part.append(raw)
        size += len(raw)
    if part:
        yield part


async def run_transaction(
    database: Database, statements: Iterable[Statement], happened: Callable[[], Awaitable[bool]]
) -> None:
    """Do all `statements` or none; durable when it returns.

    `happened` reads, at majority, whether the transaction is stored; asked only when the commit has no clear answer.
    Raises `Collided`, `Interrupted`, `Unavailable` (not stored), `OutcomeUnknown`.
    """
    async with database.client.start_session(causal_consistency=False) as session:
        # No context manager: leaving it would commit, and the outcome of a commit is handled below, by hand.
        await session.start_transaction(read_concern=SNAPSHOT, write_concern=DURABLE, max_commit_time_ms=COMMIT_MS)
        try:
            for statement in statements:
                await _execute(database, statement, session)
        except BaseException:
            # An open transaction would hold its documents for a minute; but a lost server must not cost the caller 5 s.
            with suppress(PyMongoError), pymongo.timeout(1):
                await session.abort_transaction()
            raise
        await _commit(session, happened)


async def _execute(database: Database, statement: Statement, session: AsyncClientSession) -> None:
    target = database if statement.database is None else database.client[statement.database]
    try:
        answer = await target.command(statement.command, session=session)
    except OperationFailure as error:
        if error.code in (WRITE_CONFLICT, DUPLICATE_KEY):
            raise Collided from None
        raise _not_stored(error, statement.collection) from None
    except PyMongoError as error:
        raise _not_stored(error, statement.collection) from None
    codes = {failure.get("code") for failure in answer.get("writeErrors", ())}
    if codes & {WRITE_CONFLICT, DUPLICATE_KEY} or (not codes and answer["n"] != statement.expected):
        raise Collided
    if codes:
        raise _unavailable(statement.collection, f"MongoDB error {max(codes)}")


def _not_stored(error: PyMongoError, collection: str) -> Exception:
    if error.has_error_label("TransientTransactionError") and not isinstance(error, ServerSelectionTimeoutError):
        return Interrupted(type(error).__name__)
    said = f"MongoDB error {error.code}" if isinstance(error, OperationFailure) else type(error).__name__
    return _unavailable(collection, said)


def _unavailable(collection: str, said: str) -> Unavailable:
    if collection == AUDIT:
        return AuditUnavailable(f"The audit record cannot be stored, so nothing was ({said})")
    return Unavailable(f"The database cannot store this now, nothing was stored ({said})")


async def _commit(session: AsyncClientSession, happened: Callable[[], Awaitable[bool]]) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + COMMIT_SECONDS
    while True:
        try:
            await session.commit_transaction()
            return
        except PyMongoError as error:
            if error.has_error_label("TransientTransactionError"):
                raise Interrupted(type(error).__name__) from None
            again = error.has_error_label("UnknownTransactionCommitResult")
        if not again or loop.time() > deadline:
            break
        await asyncio.sleep(0.1)
    if not await happened():
        raise OutcomeUnknown("The database cannot say whether this was stored: ask again before repeating it")
