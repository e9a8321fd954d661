"""`domain.clinic.notice_ports.LikesBook` on MongoDB: one sealed row an account."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from pymongo.errors import DuplicateKeyError

from domain.clinic.notice_ports import Likes
from domain.errors import VersionConflict
from storage.crypto.keys import ACCOUNTS, Keyring
from storage.crypto.sealing import SealingKey, open_sealed, place, seal
from storage.mongo.client import READ_MS, Database, Document
from storage.mongo.failures import translated
from storage.mongo.notice_documents import PREFERENCES

_likes = msgspec.msgpack.Decoder(Likes)


class MongoLikes:
    """The choices of one database."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._rows = database[PREFERENCES]
        self._keyring = keyring

    async def of(self, accounts: Sequence[str]) -> list[Likes]:
        with translated("The preferences do not answer"):
            rows = await self._rows.find({"_id": {"$in": list(accounts)}}, max_time_ms=READ_MS).to_list()
        keys = await self._keyring.for_reading({row["key"] for row in rows})
        found = {row["_id"]: _opened(row, keys[row["key"]]) for row in rows if row["key"] in keys}
        return [found.get(account, Likes()) for account in accounts]

    async def keep(self, account: str, likes: Likes) -> None:
        """See `domain.clinic.notice_ports.LikesBook.keep`."""
        key = (await self._keyring.for_writing([ACCOUNTS]))[ACCOUNTS]
        sealed = seal(key, _place(account), msgspec.msgpack.encode(likes))
        row: Document = {"_id": account, "version": likes.version, "key": key.id, "sealed": sealed}
        with translated("The preferences could not be stored"):
            try:
                before = {"_id": account, "version": likes.version - 1}
                done = await self._rows.replace_one(before, row, upsert=likes.version == 1)
            except DuplicateKeyError:
                raise VersionConflict("The preferences have changed meanwhile") from None
        if not done.matched_count and done.upserted_id is None:
            raise VersionConflict("The preferences have changed meanwhile")


def _opened(row: Document, key: SealingKey) -> Likes:
    return _likes.decode(open_sealed(key, _place(row["_id"]), row["sealed"]))


def _place(account: str) -> str:
    return place(f"{PREFERENCES}/{account}")
