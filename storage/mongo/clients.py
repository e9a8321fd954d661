"""`domain.clients.Clients` on MongoDB. Nothing here is about patients, so only the secrets are not stored."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

import msgspec

from domain.clients import Client
from storage.crypto.service_keys import ServiceKeys
from storage.mongo.client import READ_MS, Database
from storage.mongo.counters import actor_of, count
from storage.mongo.failures import translated
from storage.mongo.session_documents import SESSIONS

CLIENTS = "clients"
_SILENT = "The clients do not answer"


class ClientDocument(TypedDict):
    """`clients`: a program that may ask for tokens (`domain/clients.py`)."""

    _id: str  # plain
    name: str  # plain
    proof: str  # plain
    grants: Sequence[str]  # plain
    scope: str  # plain
    created: datetime  # plain
    created_by: str  # plain: account of an administrator, or "cli"
    redirect_uris: Sequence[str]  # plain
    keys: Sequence[Mapping[str, Any]]  # plain: public keys
    jwks_uri: str | None  # plain
    secret: bytes | None  # keyed hash of a 256-bit secret of ours; null without one


class MongoClients:
    """The clients of one database."""

    def __init__(self, database: Database, service: ServiceKeys, clock: Callable[[], datetime]) -> None:
        self._clients = database[CLIENTS]
        self._sessions = database[SESSIONS]
        self._service = service
        self._clock = clock

    async def find(self, client_id: str) -> Client | None:
        with translated(_SILENT):
            found = await self._clients.find_one({"_id": client_id}, {"secret": 0}, max_time_ms=READ_MS)
        return None if found is None else _client(found)

    async def all(self) -> Sequence[Client]:
        with translated(_SILENT):
            rows = await self._clients.find({}, {"secret": 0}, sort=[("_id", 1)], max_time_ms=READ_MS).to_list()
        return [_client(row) for row in rows]

    async def add(self, client: Client, secret: str | None) -> None:
        row = msgspec.to_builtins(client, builtin_types=(datetime,))
        hashed = None if secret is None else self._hash(client.id, secret)
        with translated(_SILENT):
            await self._clients.insert_one({"_id": row.pop("id"), **row, "secret": hashed})

    async def remove(self, client_id: str) -> bool:
        with translated(_SILENT):
            done = await self._clients.delete_one({"_id": client_id})
            await self._sessions.update_many({"client": client_id, "ended": None}, {"$set": {"ended": self._clock()}})
            accounts = await self._sessions.distinct("account", {"client": client_id})
            await count(self._sessions.database, map(actor_of, accounts))
        return done.deleted_count > 0

    async def knows_secret(self, client_id: str, secret: str) -> bool:
        with translated(_SILENT):
            found = await self._clients.find_one({"_id": client_id}, {"secret": 1}, max_time_ms=READ_MS)
        stored = (found or {}).get("secret")
        same = hmac.compare_digest(stored or bytes(16), self._hash(client_id, secret))
        return same and stored is not None

    def _hash(self, client_id: str, secret: str) -> bytes:
        return self._service.name_hash("client-secret", f"{client_id}|{secret}")


def _client(row: Mapping[str, Any]) -> Client:
    return msgspec.convert({"id": row["_id"], **row}, Client, strict=False)
