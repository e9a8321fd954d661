"""Runs of synchronisation, what came and the log: one run of a patient, one holder of a run, and nothing that can be read."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from msgspec.structs import replace

from domain.clinic.sync_items import Item, Source
from domain.clinic.sync_log import Line, Wanted
from domain.clinic.sync_runs import LEASE, Progress, Run, Tally
from domain.errors import Contention, Gone
from storage.crypto.keys import Keyring, patient_owner
from storage.mongo.client import Database
from storage.mongo.erasure import destroy_key, forget_notices
from storage.mongo.sync_items import MongoItems
from storage.mongo.sync_log import MongoLogBook
from storage.mongo.sync_runs import MongoRuns

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOURCE = Source("1", "https://erewhon.example/fhir")


@pytest.fixture
def runs(data: Database, keyring: Keyring) -> MongoRuns:
    return MongoRuns(data, keyring)


@pytest.fixture
def items(data: Database, keyring: Keyring) -> MongoItems:
    return MongoItems(data, keyring)


@pytest.fixture
def log(data: Database, keyring: Keyring) -> MongoLogBook:
    return MongoLogBook(data, keyring)


def run(name: str = "r1", patient: str = "1", **given: Any) -> Run:
    told = {"trigger": "MANUAL", "created": NOW, "agreed": 1, "place": f"{SOURCE.base}/Patient/x", **given}
    return Run(id=name, patient=patient, **told)


async def taken(runs: MongoRuns, *, now: datetime = NOW) -> Run:
    found = await runs.claim(now=now, until=now + LEASE)
    assert found is not None
    return found


async def test_of_many_who_start_one_all_get_the_same(runs: MongoRuns) -> None:
    found = await asyncio.gather(*(runs.enqueue(run(f"r{number}")) for number in range(8)))
    assert len({each.id for each in found}) == 1
    assert (await runs.enqueue(run("other", "2"))).id == "other"


async def test_a_run_that_is_over_makes_room_for_the_next(runs: MongoRuns) -> None:
    await runs.enqueue(run())
    held = await taken(runs)
    await runs.end(replace(held, state="COMPLETED", ended=NOW))
    assert (await runs.enqueue(run("r2", created=NOW + timedelta(seconds=1)))).id == "r2"
    newest = await runs.newest("1")
    assert newest is not None
    assert newest.id == "r2"


async def test_a_run_is_held_by_one_and_taken_over_when_its_holder_falls_silent(runs: MongoRuns) -> None:
    await runs.enqueue(run())
    first = await taken(runs)
    assert await runs.claim(now=NOW + LEASE / 2, until=NOW + LEASE) is None
    await runs.beat(first, until=NOW + 2 * LEASE)
    assert await runs.claim(now=NOW + LEASE, until=NOW + 3 * LEASE) is None
    far = replace(first, progress=Progress(stage="Observation", tallies=(Tally("Condition", 3, 3, done=True),)))
    assert await runs.step(far, until=NOW + 2 * LEASE) is False
    second = await taken(runs, now=NOW + 2 * LEASE)
    assert (second.fence, second.progress) == (2, far.progress)
    for late in (runs.step(far, until=NOW + 9 * LEASE), runs.beat(far, until=NOW + 9 * LEASE), runs.end(far)):
        with pytest.raises(Contention):
            await late
    assert await runs.get("r1") == second


async def test_of_many_who_look_for_work_one_gets_it(runs: MongoRuns) -> None:
    await runs.enqueue(run())
    found = await asyncio.gather(*(runs.claim(now=NOW, until=NOW + LEASE) for _ in range(8)))
    assert sum(each is not None for each in found) == 1


async def test_who_runs_it_hears_that_it_is_to_end(runs: MongoRuns) -> None:
    await runs.enqueue(run())
    held = await taken(runs)
    asked = await runs.cancel("r1")
    assert asked is not None
    assert asked.cancel
    assert await runs.step(held, until=NOW + LEASE) is True
    assert await runs.beat(held, until=NOW + LEASE) is True
    await runs.end(replace(held, state="CANCELLED", ended=NOW))
    over = await runs.cancel("r1")
    assert over is not None
    assert over.state == "CANCELLED"
    assert await runs.cancel("nothing") is None


def item(name: str, **given: Any) -> Item:
    told = {"digest": b"one", "run": "r1", "coming": "NEW", "at": NOW, "title": "Erewhon", **given}
    return Item(name=name, local=f"{name.split('/')[0]}/ours-{name.split('/')[1]}", **told)


async def test_what_came_is_known_again_by_its_content(items: MongoItems) -> None:
    await items.keep(SOURCE, [item("Observation/1"), item("Observation/2", digest=b"two")])
    known = await items.known(SOURCE, [("Observation/1", b"one"), ("Observation/2", b"one"), ("Observation/3", b"one")])
    assert {name: each.same for name, each in known.items()} == {"Observation/1": True, "Observation/2": False}
    assert await items.there(SOURCE, ["Observation/2", "Observation/3"]) == {"Observation/2"}
    elsewhere = SOURCE._replace(patient="2")
    assert await items.known(elsewhere, [("Observation/1", b"one")]) == {}
    await items.keep(SOURCE, [item("Observation/2", digest=b"one", run="r2", coming="CHANGED", version="7")])
    assert (await items.known(SOURCE, [("Observation/2", b"one")]))["Observation/2"] == (True, "r2", "CHANGED")
    found = await items.of_local("1", "Observation/ours-2")
    assert found is not None
    assert (found.name, found.version) == ("Observation/2", "7")
    assert await items.of_local("2", "Observation/ours-2") is None


async def test_an_entry_has_one_id_here_and_others_for_other_patients_and_providers(items: MongoItems) -> None:
    name = items.local_id(SOURCE, "Observation/1")
    assert uuid.UUID(name).version == 8
    assert name == items.local_id(SOURCE, "Observation/1")
    others = (SOURCE._replace(patient="2"), SOURCE._replace(base="https://other.example/fhir"))
    assert len({name, *(items.local_id(each, "Observation/1") for each in others)}) == 3


async def test_what_a_run_took_is_listed_in_order_by_type(items: MongoItems) -> None:
    names = [
        f"{kind}/{number}" for kind in ("Observation", "DocumentReference", "DocumentManifest") for number in (2, 1)
    ]
    await items.keep(SOURCE, [item(name) for name in names])
    await items.keep(SOURCE, [item("Observation/9", run="r2")])
    documents = await items.of_run("r1", kind="DocumentReference", after="", count=9)
    assert [each.name for each in documents] == ["DocumentReference/1", "DocumentReference/2"]
    first = await items.of_run("r1", kind=None, after="", count=4)
    rest = await items.of_run("r1", kind=None, after=first[-1].local, count=4)
    assert sorted(names) == [each.name for each in (*first, *rest)]


def line(cause: str, minutes: int = 0, **given: Any) -> Line:
    told = {"patient": "1", "action": "MANUAL_SYNC", "status": "SUCCESS", "details": f"Erewhon {cause}", **given}
    return Line(cause=cause, at=NOW + timedelta(minutes=minutes), **told)


async def test_a_line_is_written_once_and_found_page_by_page(log: MongoLogBook) -> None:
    await log.write([line(f"l{number}", number) for number in range(5)])
    await log.write([line("l3", 99, details="another")])
    first, place = await log.page(Wanted("1"), after=None, count=3)
    rest, end = await log.page(Wanted("1"), after=place, count=3)
    assert [each.line.details for each in (*first, *rest)] == [f"Erewhon l{number}" for number in (4, 3, 2, 1, 0)]
    assert end is None
    words, place = await log.page(Wanted("1", words=("erewhon", "l1")), after=None, count=1)
    assert [each.line.details for each in words] == ["Erewhon l1"]
    assert place is None
    assert await log.page(Wanted("2"), after=None, count=3) == ([], None)


async def test_nothing_can_be_read_in_the_database_and_an_erasure_leaves_nothing(
    runs: MongoRuns, items: MongoItems, log: MongoLogBook, data: Database, keyring: Keyring
) -> None:
    await runs.enqueue(run(by=("Erewhon",)))
    await items.keep(SOURCE, [item("Observation/butler")])
    await log.write([line("l1")])
    names = ("sync_runs", "sync_items", "sync_log")
    for name in names:
        row = await data[name].find_one({})
        assert row is not None
        assert b"rewhon" not in bson.encode(row)
        assert b"butler" not in bson.encode({**row, "local": ""})
    await destroy_key(keyring, "1", NOW)
    keyring.forget(patient_owner("1"))
    assert await runs.get("r1") is None
    assert await runs.claim(now=NOW, until=NOW) is None
    for late in (runs.enqueue(run()), items.keep(SOURCE, [item("Observation/2")]), log.write([line("l2")])):
        with pytest.raises(Gone):
            await late
    await forget_notices(data, "1")
    assert [await data[name].count_documents({}) for name in names] == [0, 0, 0]
