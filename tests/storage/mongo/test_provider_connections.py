"""Connections with providers: one for each patient, changed by one at a time, gone with the patient, unreadable in the database."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bson
import pytest
from msgspec.structs import replace

from domain.clinic.provider_ports import Auth, Connection
from domain.errors import Gone, IntegrityFailure, VersionConflict
from storage.crypto.keys import Keyring
from storage.mongo.client import Database
from storage.mongo.erasure import erase_patient
from storage.mongo.provider_connections import MongoConnections
from tests.storage.mongo.clinic import open_clinic

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AUTH = Auth(kind="CLIENT_CREDENTIALS", name="us", secret="Prosperous", token_url="https://t.example", scope="a b")


@pytest.fixture
def connections(data: Database, keyring: Keyring) -> MongoConnections:
    return MongoConnections(data, keyring)


def connection(patient: str = "1", **given: Any) -> Connection:
    told = {
        "id": f"c{patient}",
        "name": "Erewhon",
        "base": "https://erewhon.example/fhir",
        "remote_patient": "r1",
        **given,
    }
    return Connection(patient=patient, **told)


async def test_what_was_kept_comes_back_and_nothing_of_it_can_be_read_in_the_database(
    connections: MongoConnections, data: Database
) -> None:
    assert await connections.get("1") is None
    wanted = connection(auth=AUTH, every=timedelta(hours=6), types=("Patient", "Observation"))
    kept = await connections.put(wanted, seen=None)
    assert kept == replace(wanted, version=1)
    assert await connections.get("1") == kept
    assert await connections.get("2") is None
    row = await data["provider_connections"].find_one({})
    assert row is not None
    for secret in (b"Prosperous", b"rewhon", b"r1", b"Observation"):
        assert secret not in bson.encode(row)


async def test_of_two_who_change_it_at_once_one_does(connections: MongoConnections) -> None:
    first = await asyncio.gather(*(connections.put(connection(), seen=None) for _ in range(5)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in first) == ["Connection", *["VersionConflict"] * 4]
    again = await asyncio.gather(*(connections.put(connection(), seen=1) for _ in range(5)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in again) == ["Connection", *["VersionConflict"] * 4]
    assert (await connections.put(connection(name="Nowhere"), seen=2)).version == 3
    with pytest.raises(VersionConflict):
        await connections.remove("1", seen=2)
    assert await connections.remove("1", seen=3)
    assert not await connections.remove("1", seen=3)
    assert await connections.get("1") is None
    with pytest.raises(VersionConflict):
        await connections.put(connection(), seen=3)


async def test_who_waits_longest_is_due_first_and_a_plan_for_what_was_changed_since_counts_no_more(
    connections: MongoConnections,
) -> None:
    kept = [
        await connections.put(connection(str(n)), seen=None, due=NOW - timedelta(minutes=n) if n else None)
        for n in range(4)
    ]
    assert await connections.due(NOW, 9) == ["3", "2", "1"]
    assert await connections.due(NOW, 1) == ["3"]
    assert await connections.due(NOW - timedelta(minutes=2), 9) == ["3", "2"]
    await connections.plan(kept[3], NOW + timedelta(hours=1))
    await connections.plan(kept[2], None)
    assert await connections.due(NOW, 9) == ["1"]
    await connections.put(kept[1], seen=1, due=NOW)
    await connections.plan(kept[1], None)
    assert await connections.due(NOW, 9) == ["1"]
    assert await connections.due(NOW + timedelta(hours=1), 9) == ["1", "3"]


async def test_a_row_of_one_patient_does_not_open_in_the_place_of_another(
    connections: MongoConnections, data: Database
) -> None:
    await connections.put(connection("1"), seen=None)
    await connections.put(connection("2"), seen=None)
    rows = await data["provider_connections"].find({}, sort=[("key", 1)]).to_list()
    stolen = {name: rows[0][name] for name in ("key", "sealed")}
    await data["provider_connections"].update_one({"_id": rows[1]["_id"]}, {"$set": stolen})
    with pytest.raises(IntegrityFailure):
        await connections.get("2")


async def test_it_goes_with_the_patient_also_what_was_written_at_the_last_moment(
    mongo_uri: str, database: str, tmp_path: Path
) -> None:
    async with open_clinic(mongo_uri, database, tmp_path) as clinic:
        await clinic.fill()
        connections = MongoConnections(clinic.data, clinic.keyring)
        await connections.put(connection("1", auth=AUTH), seen=None, due=NOW)
        other = await connections.put(connection("2"), seen=None, due=NOW)
        late = await clinic.data["provider_connections"].find_one({"key": {"$regex": "^Patient/1#"}})
        assert late is not None

        async def write_late(_seconds: float) -> None:
            await clinic.data["provider_connections"].insert_one(late)

        about = clinic.entry("erase", ["Patient/1"])
        await erase_patient(
            clinic.data, clinic.keyring, clinic.audit, about, patient="1", reason="asked for", sleep=write_late
        )
        assert await connections.get("1") is None
        assert await clinic.data["provider_connections"].count_documents({}) == 1
        assert await connections.due(NOW, 9) == ["2"]
        assert await connections.get("2") == other
        with pytest.raises(Gone):
            await connections.put(connection("1"), seen=None)
