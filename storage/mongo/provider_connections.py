"""`domain.clinic.provider_ports.Connections` on MongoDB: sealed with the patient's key, so that erasing the patient erases it.

A row is found by a keyed hash of the patient. That there is one shows (its key names the patient), with whom and how we prove
who we are does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypedDict

import msgspec
from pymongo.errors import DuplicateKeyError

from domain.clinic.provider_ports import Auth, Connection
from domain.errors import VersionConflict
from storage.crypto.keys import Keyring, patient_owner
from storage.crypto.sealing import SealingKey, open_sealed, place, seal
from storage.mongo.client import READ_MS, Database, Document
from storage.mongo.failures import translated

PROVIDER_CONNECTIONS = "provider_connections"
_SILENT = "The connections with providers do not answer"


class ProviderConnectionDocument(TypedDict, total=False):
    """`provider_connections`: where the records of one patient are kept as well, and how we get at them."""

    _id: str  # keyed hash of the patient, as 32 hexadecimal digits
    version: int  # plain: updates compare and swap on it
    next: datetime  # plain: when the next automatic run is due; absent for never
    key: str  # plain: id of the patient's key that seals the field below
    sealed: bytes  # sealed at "chartvault/1|provider_connections/<_id>": patient, provider, address, credentials


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    id: str
    patient: str
    name: str
    base: str
    remote_patient: str
    auth: Auth
    every: float | None
    types: tuple[str, ...]
    updated: datetime | None


_sealed = msgspec.msgpack.Decoder(_Sealed)


class MongoConnections:
    """The connections of one database."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._rows = database[PROVIDER_CONNECTIONS]
        self._keyring = keyring

    async def get(self, patient: str) -> Connection | None:
        """See `domain.clinic.provider_ports.Connections.get`."""
        with translated(_SILENT):
            row = await self._rows.find_one({"_id": _name(self._keyring, patient)}, max_time_ms=READ_MS)
        return None if row is None else next(iter(await self._opened([row])), None)

    async def put(self, connection: Connection, *, seen: int | None, due: datetime | None = None) -> Connection:
        """See `domain.clinic.provider_ports.Connections.put`."""
        owner = patient_owner(connection.patient)
        key = (await self._keyring.for_writing([owner]))[owner]
        kept = msgspec.structs.replace(connection, version=(seen or 0) + 1)
        row = _row(kept, _name(self._keyring, connection.patient), key, due)
        with translated("The connection with the provider could not be stored"):
            try:
                if seen is None:
                    await self._rows.insert_one(row)
                    return kept
            except DuplicateKeyError:
                raise VersionConflict("Somebody else has just connected this patient") from None
            replaced = await self._rows.find_one_and_replace({"_id": row["_id"], "version": seen}, row)
        if replaced is None:
            raise VersionConflict("Somebody changed the connection since you have read it")
        return kept

    async def remove(self, patient: str, *, seen: int | None = None) -> bool:
        """See `domain.clinic.provider_ports.Connections.remove`."""
        name = {"_id": _name(self._keyring, patient)}
        with translated("The connection with the provider could not be removed"):
            done = await self._rows.delete_one(name if seen is None else {**name, "version": seen})
            if done.deleted_count == 0 and seen is not None and await self._rows.find_one(name, {"_id": 1}):
                raise VersionConflict("Somebody changed the connection since you have read it")
        return done.deleted_count > 0

    async def due(self, now: datetime, limit: int) -> list[str]:
        """See `domain.clinic.provider_ports.Connections.due`."""
        with translated(_SILENT):
            found = self._rows.find({"next": {"$lte": now}}, sort=[("next", 1)], limit=limit, max_time_ms=READ_MS)
            rows = await found.to_list()
        return [each.patient for each in await self._opened(rows)]

    async def plan(self, connection: Connection, at: datetime | None) -> None:
        """See `domain.clinic.provider_ports.Connections.plan`."""
        name = {"_id": _name(self._keyring, connection.patient), "version": connection.version}
        change = {"$unset": {"next": 1}} if at is None else {"$set": {"next": at}}
        with translated("The next synchronisation could not be planned"):
            await self._rows.update_one(name, change)

    async def _opened(self, rows: Sequence[Document]) -> list[Connection]:
        keys = await self._keyring.for_reading({row["key"] for row in rows})
        return [_connection(row, keys[row["key"]]) for row in rows if row["key"] in keys]


async def forget_connection(database: Database, keyring: Keyring, patient: str) -> None:
    """Remove the connection of a patient who is erased."""
    with translated("The connection with the provider cannot be erased"):
        await database[PROVIDER_CONNECTIONS].delete_one({"_id": _name(keyring, patient)})


def _name(keyring: Keyring, patient: str) -> str:
    return keyring.service.name_hash("provider-connection", patient).hex()


def _row(connection: Connection, name: str, key: SealingKey, due: datetime | None) -> Document:
    content = _Sealed(
        connection.id,
        connection.patient,
        connection.name,
        connection.base,
        connection.remote_patient,
        connection.auth,
        None if connection.every is None else connection.every.total_seconds(),
        connection.types,
        connection.updated,
    )
    row = {
        "_id": name,
        "version": connection.version,
        "key": key.id,
        "sealed": seal(key, _place(name), msgspec.msgpack.encode(content)),
    }
    return row if due is None else {**row, "next": due}


def _connection(row: Document, key: SealingKey) -> Connection:
    content = _sealed.decode(open_sealed(key, _place(row["_id"]), row["sealed"]))
    return Connection(
        id=content.id,
        patient=content.patient,
        name=content.name,
        base=content.base,
        remote_patient=content.remote_patient,
        auth=content.auth,
        every=None if content.every is None else timedelta(seconds=content.every),
        types=content.types,
        updated=content.updated,
        version=row["version"],
    )


def _place(name: str) -> str:
    return place(f"{PROVIDER_CONNECTIONS}/{name}")
