"""`domain.clinic.sync_items.Items` on MongoDB: one row an entry, found by keyed hashes.

NOTE: ids of resources are made from the same hash, so what it is made of may never change.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import msgspec
from pymongo import UpdateOne

from domain.clinic.sync_items import Item, Known, Source
from storage.crypto.keys import Keyring, patient_owner
from storage.crypto.sealing import SealingKey, open_sealed, place, seal
from storage.mongo.client import READ_MS, Database, Document
from storage.mongo.failures import translated
from storage.mongo.sync_documents import SYNC_ITEMS

_SILENT = "What came from the provider cannot be looked up"


class _Said(msgspec.Struct, frozen=True, array_like=True):
    name: str
    version: str | None
    title: str | None
    news: str | None


_said = msgspec.msgpack.Decoder(_Said)


class MongoItems:
    """The entries of one database."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._rows = database[SYNC_ITEMS]
        self._keyring = keyring

    def local_id(self, source: Source, name: str) -> str:
        """See `domain.clinic.sync_items.Items.local_id`: a UUID of version 8 (RFC 9562)."""
        raw = bytearray(self._hash(source, name))
        raw[6], raw[8] = raw[6] & 0x0F | 0x80, raw[8] & 0x3F | 0x80
        return str(uuid.UUID(bytes=bytes(raw)))

    def _hash(self, source: Source, name: str) -> bytes:
        return self._keyring.service.name_hash("sync-item", f"{source.patient}|{source.base}|{name}")

    def _same(self, source: Source, digest: bytes) -> bytes:
        return self._keyring.service.name_hash("sync-body", f"{source.patient}|{digest.hex()}")

    async def known(self, source: Source, digests: Sequence[tuple[str, bytes]]) -> dict[str, Known]:
        """See `domain.clinic.sync_items.Items.known`."""
        wanted = {self._hash(source, name).hex(): (name, self._same(source, digest)) for name, digest in digests}
        found: dict[str, Known] = {}
        with translated(_SILENT):
            fields = {"same": 1, "run": 1, "coming": 1}
            async for row in self._rows.find({"_id": {"$in": list(wanted)}}, fields, max_time_ms=READ_MS):
                name, same = wanted[row["_id"]]
                found[name] = Known(row["same"] == same, row["run"], row["coming"])
        return found

    async def there(self, source: Source, names: Sequence[str]) -> set[str]:
        wanted = {self._hash(source, name).hex(): name for name in names}
        if not wanted:
            return set()
        with translated(_SILENT):
            cursor = self._rows.find({"_id": {"$in": list(wanted)}}, {"_id": 1}, max_time_ms=READ_MS)
            return {wanted[row["_id"]] async for row in cursor}

    async def keep(self, source: Source, items: Sequence[Item]) -> None:
        """See `domain.clinic.sync_items.Items.keep`."""
        if not items:
            return
        owner = patient_owner(source.patient)
        key = (await self._keyring.for_writing([owner]))[owner]
        writes = [self._write(source, item, key) for item in items]
        with translated("What came from the provider could not be noted"):
            await self._rows.bulk_write(writes, ordered=False)

    def _write(self, source: Source, item: Item, key: SealingKey) -> UpdateOne:
        name = self._hash(source, item.name).hex()
        said = msgspec.msgpack.encode(_Said(item.name, item.version, item.title, item.news))
        fields = {
            "patient": source.patient,
            "local": item.local,
            "same": self._same(source, item.digest),
            "run": item.run,
            "coming": item.coming,
            "at": item.at,
            "key": key.id,
            "sealed": seal(key, _place(name), said),
        }
        return UpdateOne({"_id": name}, {"$set": fields}, upsert=True)

    async def of_run(self, run: str, *, kind: str | None, after: str, count: int) -> Sequence[Item]:
        """See `domain.clinic.sync_items.Items.of_run`."""
        first = after if kind is None else max(after, f"{kind}/")
        beyond = {} if kind is None else {"$lt": f"{kind}0"}  # "0" follows "/"
        wanted = {"run": run, "local": {"$gt": first, **beyond}}
        with translated(_SILENT):
            rows = await self._rows.find(wanted, sort=[("local", 1)], limit=count, max_time_ms=READ_MS).to_list()
        return await self._opened(rows)

    async def of_local(self, patient: str, local: str) -> Item | None:
        with translated(_SILENT):
            found = await self._rows.find_one({"patient": patient, "local": local}, max_time_ms=READ_MS)
        return next(iter(await self._opened([found] if found else [])), None)

    async def _opened(self, rows: Sequence[Document]) -> list[Item]:
        keys = await self._keyring.for_reading({row["key"] for row in rows})
        return [_item(row, keys[row["key"]]) for row in rows if row["key"] in keys]


def _item(row: Document, key: SealingKey) -> Item:
    said = _said.decode(open_sealed(key, _place(row["_id"]), row["sealed"]))
    return Item(
        name=said.name,
        local=row["local"],
        digest=b"",
        run=row["run"],
        coming=row["coming"],
        at=row["at"],
        version=said.version,
        title=said.title,
        news=said.news,
    )


def _place(name: str) -> str:
    return place(f"{SYNC_ITEMS}/{name}")
