"""`domain.accounts.ports.Tickets` on MongoDB: random tokens of 256 bits, stored as SHA-256, gone when used or too old.

Deleting the row is using it: of several who redeem at once, one finds it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from domain.accounts.ports import Ticket, TicketKind
from domain.errors import IntegrityFailure
from storage.crypto.keys import ACCOUNTS, Keyring
from storage.crypto.sealing import open_sealed, place, seal
from storage.mongo.account_documents import TICKETS
from storage.mongo.client import READ_MS, Database, Document
from storage.mongo.failures import translated

SILENT = "The tickets do not answer"
_LONGEST = 200


class MongoTickets:
    """The tickets of one database."""

    def __init__(self, database: Database, keyring: Keyring, clock: Callable[[], datetime]) -> None:
        self._tickets = database[TICKETS]
        self._keyring = keyring
        self._clock = clock

    async def issue(self, kind: TicketKind, ticket: Ticket, lifetime: timedelta) -> str:
        """See `domain.accounts.ports.Tickets.issue`."""
        token = secrets.token_urlsafe(32)
        name, key = _name(kind, token), (await self._keyring.for_writing([ACCOUNTS]))[ACCOUNTS]
        row: Document = {"_id": name, "kind": kind, "account": ticket.account, "until": self._clock() + lifetime}
        if ticket.data:
            row |= {"key": key.id, "sealed": seal(key, _place(name), ticket.data)}
        with translated("The ticket could not be stored"):
            await self._tickets.insert_one(row)
        return token

    async def look(self, kind: TicketKind, token: str) -> Ticket | None:
        with translated(SILENT):
            found = await self._tickets.find_one(self._good(kind, token), max_time_ms=READ_MS)
        return None if found is None else await self._opened(found)

    async def latest(self, kind: TicketKind, account: str) -> Ticket | None:
        """See `domain.accounts.ports.Tickets.latest`."""
        good = {"account": account, "kind": kind, "until": {"$gt": self._clock()}}
        with translated(SILENT):
            found = await self._tickets.find_one(good, sort=[("until", -1)], max_time_ms=READ_MS)
        return None if found is None else await self._opened(found)

    async def redeem(self, kind: TicketKind, token: str) -> Ticket | None:
        with translated(SILENT):
            found = await self._tickets.find_one_and_delete(self._good(kind, token))
        return None if found is None else await self._opened(found)

    async def revoke(self, account: str) -> None:
        with translated("The tickets could not be ended"):
            await self._tickets.delete_many({"account": account})

    def _good(self, kind: TicketKind, token: str) -> Document:
        return {"_id": _name(kind, token), "until": {"$gt": self._clock()}}

    async def _opened(self, found: Document) -> Ticket:
        if "sealed" not in found:
            return Ticket(found["account"])
        keys = await self._keyring.for_reading([found["key"]])
        if found["key"] not in keys:
            raise IntegrityFailure("The key of a ticket is missing or damaged")
        return Ticket(found["account"], open_sealed(keys[found["key"]], _place(found["_id"]), found["sealed"]))


def _name(kind: TicketKind, token: str) -> bytes:
    return hashlib.sha256(f"{kind}|{token[:_LONGEST]}".encode()).digest()


def _place(name: bytes) -> str:
    return place(f"tickets/{name.hex()}")
