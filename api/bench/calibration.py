"""What the bare database gives on this machine, now: the ceilings that the server's figures are set against.

PyMongo's async API, 16 callers, majority and journal, a MongoDB that is otherwise idle. Documents carry 2 KB of random
bytes: sealed contents do not compress either.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from pymongo import AsyncMongoClient, WriteConcern
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.read_concern import ReadConcern

KINDS = ("find", "insert", "transaction of two", "documents in batches")
CALLERS = 16
_DURABLE = WriteConcern("majority", j=True)
_DOCUMENTS = 1_000
_BATCH = 200

Collection: TypeAlias = AsyncCollection[dict[str, Any]]


async def calibrate(mongodb_uri: str, names: Sequence[str], *, seconds: float) -> dict[str, float]:
    """Operations per second of each kind in `names`, `seconds` long each; leaves nothing behind.

    `find`: `find_one` by `_id`. `insert`: `insert_one`. `transaction of two`: two `insert_one` in a transaction.
    `documents in batches`: documents per second when a transaction is two `insert_many` of 200.
    """
    async with AsyncMongoClient[dict[str, Any]](mongodb_uri, maxPoolSize=100) as client:
        collections = [
            client["chartvault_bench"].get_collection(f"calibration_{part}", write_concern=_DURABLE) for part in "ab"
        ]
        try:
            # Implicit creation inside concurrent transactions fails.
            await asyncio.gather(*(collection.insert_one(_document()) for collection in collections))
            return await _measured(client, collections[0], collections[1], names, seconds)
        finally:
            await client.drop_database("chartvault_bench")


async def _measured(
    client: AsyncMongoClient[dict[str, Any]], a: Collection, b: Collection, names: Sequence[str], seconds: float
) -> dict[str, float]:
    documents = [_document() for _ in range(_DOCUMENTS)]
    await a.insert_many(documents)
    turn = itertools.cycle([document["_id"] for document in documents])

    async def find() -> None:
        await a.find_one({"_id": next(turn)})

    async def insert() -> None:
        await a.insert_one(_document())

    async def two() -> None:
        async def body(session: AsyncClientSession) -> None:
            await a.insert_one(_document(), session=session)
            await b.insert_one(_document(), session=session)

        await _transact(client, body)

    async def batch() -> None:
        async def body(session: AsyncClientSession) -> None:
            await a.insert_many([_document() for _ in range(_BATCH)], session=session)
            await b.insert_many([_document() for _ in range(_BATCH)], session=session)

        await _transact(client, body)

    # Operation, callers, and how many of what is counted each operation is.
    kinds = {
        "find": (find, CALLERS, 1),
        "insert": (insert, CALLERS, 1),
        "transaction of two": (two, CALLERS, 1),
        "documents in batches": (batch, 1, 2 * _BATCH),
    }
    return {name: kinds[name][2] * await _rate(kinds[name][0], kinds[name][1], seconds) for name in names}


async def _transact(
    client: AsyncMongoClient[dict[str, Any]], body: Callable[[AsyncClientSession], Awaitable[None]]
) -> None:
    async with client.start_session() as session:
        await session.with_transaction(body, read_concern=ReadConcern("snapshot"), write_concern=_DURABLE)


async def _rate(operation: Callable[[], Awaitable[None]], callers: int, seconds: float) -> float:
    """Operations per second of `callers` loops; a fifth of `seconds` is warm-up."""
    done = 0
    until = time.perf_counter() + seconds

    async def loop() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await operation()
            done += 1

    loops = [asyncio.create_task(loop()) for _ in range(callers)]
    await asyncio.sleep(seconds / 5)
    warm, started = done, time.perf_counter()
    await asyncio.gather(*loops)
    return (done - warm) / (time.perf_counter() - started)


def _document() -> dict[str, Any]:
    return {"_id": secrets.token_hex(12), "sealed": os.urandom(2048)}
