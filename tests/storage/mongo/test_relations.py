"""Ties as stored: read again when a write changed them, and only then; by every process, at once."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from domain.revision import Description
from domain.ties import Provision, Tie
from storage.mongo.client import Database
from storage.mongo.presence import Presence
from storage.mongo.relations import MongoRelations
from storage.mongo.revisions import MongoRevisionStore
from tests.contracts.writes import change, new_key, write

DR, ELSE = "Practitioner/1", "Practitioner/2"
FUTURE = (time.time_ns() // 1_000) + 3_600_000_000


@pytest.fixture
async def presence(data: Database) -> AsyncIterator[Presence]:
    presence = Presence(data, lambda: datetime.now(UTC))
    yield presence
    await presence.close()


async def put(store: MongoRevisionStore, key, *ties: Tie, **more):  # type: ignore[no-untyped-def]
    base = await store.newest(key)
    made = change(key, base, patient="p", **more)
    await store.commit(write(type(made)(made.revision, Description(patient="p", patients=("p",), ties=ties), base)))


async def test_a_tie_is_known_at_the_next_question_and_gone_at_the_one_after_its_end(
    store: MongoRevisionStore, data: Database, presence: Presence
) -> None:
    key = new_key("CareTeam")
    async with MongoRelations(data, presence) as one, MongoRelations(data, presence) as other:
        assert await one.ties((DR,)) == await other.ties((DR,)) == [()]
        tie = Tie(DR, "team", "p", 1, FUTURE)
        await put(store, key, tie)
        for relations in (one, other):
            ((held,),) = await relations.ties((DR,))
            assert (held.tie, held.name, held.source) == (tie, str(key), "user/1")
        await put(store, key, text="without")
        assert await one.ties((DR,)) == await other.ties((DR,)) == [()]


async def test_what_did_not_change_stays_the_very_same(
    store: MongoRevisionStore, data: Database, presence: Presence
) -> None:
    key, tie = new_key("CareTeam"), Tie(DR, "team", "p", None, None, Provision(permit=True, names=("Condition/1",)))
    await put(store, key, tie)
    async with MongoRelations(data, presence) as relations:
        (before,) = await relations.ties((DR,))
        await put(store, new_key("CareTeam"), Tie(ELSE, "team", "p"))
        await put(store, key, tie, text="other content, same ties")
        (after,) = await relations.ties((DR,))
    assert before[0].tie == tie
    assert before is after


async def test_what_has_ended_is_not_read(store: MongoRevisionStore, data: Database, presence: Presence) -> None:
    await put(store, new_key("CareTeam"), Tie(DR, "team", "p", 1, 2))
    async with MongoRelations(data, presence) as relations:
        assert await relations.ties((DR, ELSE)) == [(), ()]


async def test_only_a_change_of_ties_counts(store: MongoRevisionStore, data: Database) -> None:
    key, tie = new_key("CareTeam"), Tie(DR, "team", "p")
    await put(store, key, tie)
    counted = await data["relations"].find().to_list()
    await put(store, key, tie, text="again")
    assert await data["relations"].find().to_list() == counted
    assert [row["a"] for row in counted] == [DR]
