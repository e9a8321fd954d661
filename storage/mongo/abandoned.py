"""Transactions whose process was killed: MongoDB keeps them open, and locks what they touched, for a minute or more.

A writer that collides again and again with something that nobody has stored asks here. Our transactions send command
after command, so one that has been idle for `IDLE_SECONDS` belongs to nobody alive, or to somebody very slow: ending it
loses nothing, since the slow one is told (`TransientTransactionError`) and does its transaction again.
https://www.mongodb.com/docs/manual/reference/parameters/#mongodb-parameter-param.transactionLifetimeLimitSeconds

Both commands reach only the sessions of our own account, so they need no rights.
"""

from __future__ import annotations

from typing import Any

from pymongo.errors import PyMongoError

from storage.mongo.client import APPLICATION, READ_MS, Client

IDLE_SECONDS = 2.0


async def end_abandoned(client: Client) -> int:
    """End the idle transactions of processes of this program; how many there were. Never raises: it is a courtesy."""
    idle: dict[str, Any] = {
        "type": "idleSession",
        "appName": APPLICATION,
        "transaction.timeInactiveMicros": {"$gt": IDLE_SECONDS * 1e6},
    }
    operations = [{"$currentOp": {"allUsers": False, "idleSessions": True}}, {"$match": idle}]
    try:
        cursor = await client.admin.aggregate([*operations, {"$project": {"lsid": 1}}], maxTimeMS=READ_MS)
        sessions = [{"id": found["lsid"]["id"]} async for found in cursor]
        if sessions:
            await client.admin.command("killSessions", sessions)
    except PyMongoError:
        return 0
    return len(sessions)
