"""Transactions whose process was killed: MongoDB keeps them open, and locks what they touched, for a minute or more.

A writer that collides again and again with something that nobody has stored looks here. A transaction belongs to nobody
alive when the connection of its last command is closed; or, should the machine have gone with the process and nobody
have closed it, when it has done nothing for `IDLE_SECONDS`: ours send command after command. Ending one loses nothing,
even if that was wrong: its writer is told (`TransientTransactionError`) and does it again.
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

_OURS: dict[str, Any] = {"appName": APPLICATION}
_SHOWN = {
    "client": 1,
    "session": {"$cond": [{"$eq": ["$type", "idleSession"]}, "$lsid.id", None]},
    "number": "$transaction.parameters.txnNumber",
    "active": "$transaction.timeActiveMicros",
}


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
        """Look, and end what is abandoned. Never raises: this is a courtesy."""
        try:
            dead = await self._dead(time.monotonic())
            if dead:
                await self._client.admin.command("killSessions", [{"id": session} for session in dead])
        except PyMongoError:
            return

    async def _dead(self, now: float) -> list[Binary]:
        """The sessions to end."""
        everything = {"allUsers": False, "idleSessions": True, "idleConnections": True}
        operations = [{"$currentOp": everything}, {"$match": _OURS}, {"$project": _SHOWN}]
        found = await (await self._client.admin.aggregate(operations, maxTimeMS=READ_MS)).to_list()
        connected = {each.get("client") for each in found if each["session"] is None}
        idle = [each for each in found if each["session"] is not None and "number" in each]
        looks = {each["session"]: _Look((each["number"], each["active"]), now) for each in idle}
        for session, look in looks.items():
            before = self._looks.get(session)
            if before is not None and before.done == look.done:
                looks[session] = before
        self._looks = looks
        return [
            each["session"]
            for each in idle
            if each.get("client") not in connected or now - looks[each["session"]].since >= IDLE_SECONDS
        ]
