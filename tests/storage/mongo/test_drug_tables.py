"""Drug tables on MongoDB: versions of names, in force everywhere at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from domain.clinic.drug_interactions import Medication
from domain.clinic.drug_knowledge import starter, write
from domain.clinic.drug_tables import MAX_BYTES, STARTER
from domain.errors import Contention, InvalidFields, NotFound
from storage.mongo.client import Database
from storage.mongo.drug_tables import MongoDrugTables
from storage.mongo.indexes import create_collections

TEXTS = write(starter())
PAIR = [Medication("clarithromycin"), Medication("simvastatin")]


def now() -> datetime:
    return datetime(2026, 1, 31, tzinfo=UTC)


@pytest.fixture
async def two(data: Database) -> tuple[MongoDrugTables, MongoDrugTables]:
    """The tables as two processes see them."""
    await create_collections(data)
    return MongoDrugTables(data, now), MongoDrugTables(data, now)


async def test_the_tables_that_come_along_are_in_force_until_others_take_their_name(
    two: tuple[MongoDrugTables, MongoDrugTables],
) -> None:
    one, other = two
    assert [(each.name, each.number, each.active) for each in await other.listed()] == [(STARTER, 0, True)]
    assert len((await other.active()).check(PAIR).alerts) == 1
    empty = {name: text.splitlines()[0] + "\n" for name, text in TEXTS.items()}
    assert (await one.put(STARTER, empty, by="boss")).number == 1
    assert (await other.active()).check(PAIR).alerts == ()
    made = await one.put(STARTER, TEXTS, by="boss")
    assert (made.number, made.rules, made.imported_by) == (2, len(starter().rules), "boss")
    assert len((await other.active()).check(PAIR).alerts) == 1
    assert dict(await other.texts(STARTER)) == TEXTS


async def test_what_was_taken_out_of_use_says_nothing_and_keeps_its_versions(
    two: tuple[MongoDrugTables, MongoDrugTables],
) -> None:
    one, other = two
    await one.put(STARTER, None, by="boss")
    assert (await other.active()).check(PAIR).alerts == ()
    (tables,) = await other.listed()
    assert (tables.number, tables.active, tables.rules) == (1, False, len(starter().rules))
    with pytest.raises(NotFound):
        await one.put(STARTER, None, by="boss")
    with pytest.raises(NotFound):
        await one.put("unknown", None, by="boss")


async def test_nothing_is_parsed_again_while_nothing_changes(two: tuple[MongoDrugTables, MongoDrugTables]) -> None:
    one, other = two
    known = await one.active()
    assert await one.active() is known
    await other.put("own", TEXTS, by="boss")
    assert await one.active() is not known


async def test_two_imports_at_once_are_never_one_version(two: tuple[MongoDrugTables, MongoDrugTables]) -> None:
    found = await asyncio.gather(*(each.put("own", TEXTS, by="boss") for each in two), return_exceptions=True)
    numbers = sorted(each.number for each in found if not isinstance(each, BaseException))
    assert all(isinstance(each, Contention) for each in found if isinstance(each, BaseException))
    assert numbers in ([1], [1, 2])
    assert [each.number for each in await two[0].listed() if each.name == "own"] == numbers[-1:]


async def test_tables_larger_than_the_limit_are_refused(two: tuple[MongoDrugTables, MongoDrugTables]) -> None:
    with pytest.raises(InvalidFields):
        await two[0].put("own", {**TEXTS, "ddi_drugs": "x" * (MAX_BYTES + 1)}, by="boss")
