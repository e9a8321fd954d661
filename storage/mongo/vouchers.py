"""`domain.vouchers.Vouchers` on MongoDB: names as keyed hashes, contents sealed, each step one atomic update."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypedDict

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from domain.vouchers import Kind, Taken, Voucher
from storage.crypto.keys import ACCOUNTS, Keyring
from storage.crypto.sealing import open_sealed, place, seal
from storage.mongo.client import READ_MS, Database, Document
from storage.mongo.failures import translated

VOUCHERS = "vouchers"
_SILENT = "The vouchers do not answer"


class VoucherDocument(TypedDict, total=False):
    """`vouchers`: an authorization code, a login under way, an assertion that was seen; goes when it expires."""

    _id: bytes  # keyed hash of kind and name
    kind: str  # plain
    expires: datetime  # plain
    turn: int  # plain: how often it was changed
    taken: datetime | None  # plain: when it was used up
    again: bool  # plain: somebody came with it once more
    session: str  # plain: what the first taker got
    key: str  # plain: id of the key that sealed the field below
    sealed: bytes  # sealed at "chartvault/1|vouchers/<_id in hexadecimal>": who asks for what, and who logged in


class MongoVouchers:
    """The vouchers of one database; `clock` decides what is good."""

    def __init__(self, database: Database, keyring: Keyring, clock: Callable[[], datetime]) -> None:
        self._vouchers = database[VOUCHERS]
        self._keyring = keyring
        self._clock = clock

    async def put(self, kind: Kind, name: str, content: bytes, *, expires: datetime) -> bool:
        """See `domain.vouchers.Vouchers.put`."""
        hashed = self._name(kind, name)
        document = {"_id": hashed, "kind": kind, "expires": expires, "turn": 1, "taken": None, "again": False}
        with translated(_SILENT):
            try:
                await self._vouchers.insert_one({**document, **await self._sealed(hashed, content)})
            except DuplicateKeyError:
                return False
        return True

    async def read(self, kind: Kind, name: str) -> Voucher | None:
        hashed = self._name(kind, name)
        with translated(_SILENT):
            found = await self._vouchers.find_one(self._good(hashed, taken=None), max_time_ms=READ_MS)
        return None if found is None else Voucher(await self._opened(found), found["turn"])

    async def change(self, kind: Kind, name: str, voucher: Voucher) -> bool:
        """See `domain.vouchers.Vouchers.change`."""
        hashed = self._name(kind, name)
        sealed = await self._sealed(hashed, voucher.content)
        with translated(_SILENT):
            done = await self._vouchers.update_one(
                self._good(hashed, taken=None, turn=voucher.turn), {"$set": sealed, "$inc": {"turn": 1}}
            )
        return done.modified_count > 0

    async def take(self, kind: Kind, name: str) -> Taken | None:
        """See `domain.vouchers.Vouchers.take`."""
        hashed = self._name(kind, name)
        with translated(_SILENT):
            found = await self._vouchers.find_one_and_update(
                self._good(hashed, taken=None), {"$set": {"taken": self._clock()}}
            )
            first = found is not None
            if found is None:
                found = await self._vouchers.find_one_and_update(
                    self._good(hashed), {"$set": {"again": True}}, return_document=ReturnDocument.AFTER
                )
        return None if found is None else Taken(await self._opened(found), first, found.get("session"))

    async def bind(self, kind: Kind, name: str, session: str) -> bool:
        """See `domain.vouchers.Vouchers.bind`."""
        with translated(_SILENT):
            done = await self._vouchers.update_one(
                {"_id": self._name(kind, name), "again": False}, {"$set": {"session": session}}
            )
        return done.modified_count > 0

    def _name(self, kind: Kind, name: str) -> bytes:
        return self._keyring.service.name_hash(f"voucher-{kind}", name)

    def _good(self, hashed: bytes, **conditions: object) -> Document:
        return {"_id": hashed, "expires": {"$gt": self._clock()}, **conditions}

    async def _sealed(self, hashed: bytes, content: bytes) -> Document:
        key = (await self._keyring.for_writing([ACCOUNTS]))[ACCOUNTS]
        return {"key": key.id, "sealed": seal(key, _place(hashed), content)}

    async def _opened(self, found: Document) -> bytes:
        keys = await self._keyring.for_reading([found["key"]])
        if found["key"] not in keys:
            raise self._keyring.why_absent(found["key"])
        return open_sealed(keys[found["key"]], _place(found["_id"]), found["sealed"])


def _place(hashed: bytes) -> str:
    return place(f"{VOUCHERS}/{hashed.hex()}")
