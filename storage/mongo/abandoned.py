"""Transactions whose process was killed: MongoDB keeps them open, and locks what they touched, for a minute or more.

A writer that collides again and again with something that nobody has stored looks here. Our transactions send command
after command, so one that has done nothing for `IDLE_SECONDS` belongs to nobody alive, or to somebody very slow: ending
it loses nothing, since the slow one is told (`TransientTransactionError`) and does its transaction again.
https://www.mongodb.com/docs/manual/reference/parameters/#mongodb-parameter-param.transactionLifetimeLimitSeconds

MongoDB tells how long a transaction was idle in all, not since when it is: that takes two looks. Both commands reach
only the sessions of our own account, so they need no rights.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from bson.binary import Binary
from pymongo.errors import PyMongoError

from storage.mongo.client import APPLICATION, READ_MS, Client

IDLE_SECONDS = 2.0

_IDLE: dict[str, Any] = {"type": "idleSession", "appName": APPLICATION, "transaction": {"$exists": True}}
_SHOWN = {"id": "$lsid.id", "number": "$transaction.parameters.txnNumber", "active": "$transaction.timeActiveMicros"}


class _Look(NamedTuple):
    """What a transaction had done so far, and since when that is all."""

    done: tuple[int, int]
    since: float


class AbandonedTransactions:
    """Ends what killed processes of this program have left open. Remembers from one look to the next."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._looks: dict[Binary, _Look] = {}

    async def end(self) -> None:
        """Look, and end what has done nothing since a look `IDLE_SECONDS` ago. Never raises: this is a courtesy."""
        now = time.monotonic()
        try:
            looks = await self._look(now)
            self._looks = looks
            dead = [{"id": name} for name, look in looks.items() if now - look.since >= IDLE_SECONDS]
            if dead:
                await self._client.admin.command("killSessions", dead)
        except PyMongoError:
            return

    async def _look(self, now: float) -> dict[Binary, _Look]:
        operations = [
            {"$currentOp": {"allUsers": False, "idleSessions": True}},
            {"$match": _IDLE},
            {"$project": _SHOWN},
        ]
        looks: dict[Binary, _Look] = {}
        async for found in await self._client.admin.aggregate(operations, maxTimeMS=READ_MS):
            name, done = found["id"], (found["number"], found["active"])
            before = self._looks.get(name)
            looks[name] = before if before is not None and before.done == done else _Look(done, now)
        return looks
