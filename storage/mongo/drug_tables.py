"""`domain.clinic.drug_tables.DrugTables` on MongoDB. Nothing here is about patients, so nothing is sealed.

Versions are only added; `_id` is name and number, so two imports at once cannot both be the same version. A check asks which
versions are in force (one small read) and keeps what it made of them until that changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypedDict

import msgspec
import zstandard
from pymongo.errors import DuplicateKeyError

from domain.clinic.drug_interactions import InteractionCheck
from domain.clinic.drug_knowledge import KnowledgeBase, parse, starter, write
from domain.clinic.drug_tables import MAX_BYTES, STARTER, Tables, checked, described
from domain.errors import Contention, NotFound
from storage.mongo.client import READ_MS, Database, Document
from storage.mongo.failures import translated

DRUG_TABLES = "drug_tables"
_SILENT = "The drug tables do not answer"
_DETAILS = {"texts": 0}


class DrugTablesDocument(TypedDict):
    """`drug_tables`: one version of the tables of a name (`domain/clinic/drug_tables.py`)."""

    _id: str  # plain: name/number
    name: str  # plain
    number: int  # plain
    at: datetime  # plain
    by: str  # plain: account of an administrator, or "cli"
    active: bool  # plain
    version: str  # plain: versions that the rules state
    drugs: int  # plain
    classes: int  # plain
    rules: int  # plain
    texts: bytes  # plain: the CSV texts as JSON, compressed


class MongoDrugTables:
    """The drug tables of one database."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._tables = database[DRUG_TABLES]
        self._clock = clock
        self._known: tuple[tuple[tuple[str, int], ...], InteractionCheck] | None = None

    async def active(self) -> InteractionCheck:
        """See `DrugTables.active`."""
        wanted = tuple((each.name, each.number) for each in await self.listed() if each.active)
        if self._known is None or self._known[0] != wanted:
            bases = [await self._base(name, number) for name, number in wanted]
            self._known = (wanted, await asyncio.to_thread(InteractionCheck, bases))
        return self._known[1]

    async def listed(self) -> Sequence[Tables]:
        """See `DrugTables.listed`."""
        with translated(_SILENT):
            rows = await self._tables.find({}, _DETAILS, sort=[("number", 1)], max_time_ms=READ_MS).to_list()
        newest = {STARTER: _STARTED} | {row["name"]: _tables(row) for row in rows}
        return [newest[name] for name in sorted(newest)]

    async def texts(self, name: str) -> Mapping[str, str]:
        """See `DrugTables.texts`."""
        tables = next((each for each in await self.listed() if each.name == name), None)
        if tables is None:
            raise NotFound("There are no such tables")
        return await self._texts(name, tables.number)

    async def put(self, name: str, texts: Mapping[str, str] | None, *, by: str) -> Tables:
        """See `DrugTables.put`."""
        newest = next((each for each in await self.listed() if each.name == name), None)
        if texts is None:
            if newest is None or not newest.active:
                raise NotFound("There are no such tables in use")
            made = msgspec.structs.replace(newest, active=False)
            texts = await self._texts(name, newest.number)
        else:
            made = described(name, 0, await asyncio.to_thread(checked, texts))
        number = newest.number + 1 if newest is not None else 1
        made = msgspec.structs.replace(made, number=number, imported_at=self._clock(), imported_by=by)
        row = _row(made, await asyncio.to_thread(_packed, texts))
        with translated(_SILENT):
            try:
                await self._tables.insert_one(row)
            except DuplicateKeyError:
                raise Contention("Somebody else imported tables of this name just now") from None
        return made

    async def _base(self, name: str, number: int) -> KnowledgeBase:
        if (name, number) == (STARTER, 0):
            return _starter
        return await asyncio.to_thread(parse, await self._texts(name, number))

    async def _texts(self, name: str, number: int) -> Mapping[str, str]:
        if (name, number) == (STARTER, 0):
            return write(_starter)
        with translated(_SILENT):
            row = await self._tables.find_one({"_id": f"{name}/{number}"}, {"texts": 1})
        if row is None:
            raise NotFound("There are no such tables")
        return await asyncio.to_thread(_unpacked, row["texts"])


_starter = starter()
_STARTED = described(STARTER, 0, _starter)


def _packed(texts: Mapping[str, str]) -> bytes:
    return zstandard.compress(msgspec.json.encode(texts))


def _unpacked(packed: bytes) -> Mapping[str, str]:
    raw = zstandard.ZstdDecompressor().decompress(packed, max_output_size=2 * MAX_BYTES)
    return msgspec.json.decode(raw, type=dict[str, str])


def _row(tables: Tables, packed: bytes) -> Document:
    row: DrugTablesDocument = {
        "_id": f"{tables.name}/{tables.number}",
        "name": tables.name,
        "number": tables.number,
        "at": tables.imported_at or datetime.min,
        "by": tables.imported_by or "",
        "active": tables.active,
        "version": tables.version,
        "drugs": tables.drugs,
        "classes": tables.classes,
        "rules": tables.rules,
        "texts": packed,
    }
    return dict(row)


def _tables(row: Mapping[str, object]) -> Tables:
    renamed = {**row, "imported_at": row["at"], "imported_by": row["by"]}
    return msgspec.convert({name: renamed[name] for name in Tables.__struct_fields__}, Tables, strict=False)
