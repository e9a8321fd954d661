"""Counters that tell every process when to read again what it keeps: relations of actors, sessions and accounts.

Whoever changes one of those raises a counter, in the same transaction or before the change is acknowledged; whoever keeps one
asks for its counters at every request (`storage/mongo/presence.py`). Each process raises counters of its own, so that writers
seldom wait for each other.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from pymongo import UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession

from storage.mongo.client import Database
from storage.mongo.oversight_documents import RELATIONS

_SLOT = int.from_bytes(os.urandom(1)) & 0x3F
"""Which counter of an actor this process counts with: two processes seldom wait for each other."""


def actor_of(account: str) -> str:
    """The name under which changes of an account and of its sessions are counted."""
    return f"account|{account}"


def raises(actors: Iterable[str]) -> list[dict[str, Any]]:
    """The updates that raise the counters of these actors, in one order for everybody."""
    return [{"q": _named(each), "u": _raised(each), "upsert": True} for each in sorted(set(actors))]


async def count(database: Database, actors: Iterable[str], session: AsyncClientSession | None = None) -> None:
    """Raise the counters of these actors. Raises PyMongo's errors: then the change must not be acknowledged."""
    ops = [UpdateOne(_named(each), _raised(each), upsert=True) for each in sorted(set(actors))]
    if ops:
        await database[RELATIONS].bulk_write(ops, ordered=False, session=session)


def _named(actor: str) -> dict[str, Any]:
    return {"_id": f"{actor}#{_SLOT}"}


def _raised(actor: str) -> dict[str, Any]:
    return {"$inc": {"n": 1}, "$set": {"a": actor}}
