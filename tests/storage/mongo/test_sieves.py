"""What a find gives is held to the plain conditions here or in the database: the matches, pages and totals are the same."""

from __future__ import annotations

import msgspec
import pytest

from domain.identity import ResourceKey
from domain.search import (
    AllOf,
    AnyOf,
    AnyTerm,
    Condition,
    Faceted,
    IdIn,
    Labelled,
    NoneOf,
    OfPatients,
    PatientIn,
    SearchQuery,
    WrittenBy,
)
from storage.mongo.revisions import MongoRevisionStore
from storage.mongo.search import Searches
from storage.mongo.short_finds import ShortFind
from tests.contracts.writes import change, code, write

pytestmark = pytest.mark.slow

PANEL = frozenset(f"p{number}" for number in range(0, 60, 2))
RARE, OFTEN = AnyTerm((code("rare"),), rank=1), AnyTerm((code("often"),), rank=1)
CONDITIONS: dict[str, tuple[Condition, ...]] = {
    "a panel": (PatientIn(PANEL),),
    "nobody": (PatientIn(frozenset({"nobody"})),),
    "names": (IdIn(frozenset(f"r{number}" for number in range(0, 60, 3))),),
    "other names": (IdIn(("r1", "r2"), negated=True),),
    "labels": (NoneOf((Labelled(frozenset({"R"})),)),),
    "labels or a panel": (AnyOf((NoneOf((Labelled(frozenset({"R"})),)), PatientIn(PANEL))),),
    "a source": (WrittenBy("user/1"), PatientIn(PANEL)),
    "another source": (WrittenBy("user/2"),),
    "words that are not there": (Faceted(frozenset({"word"})),),
    "everything": (AllOf(()), PatientIn(PANEL)),
    "a panel and a term": (PatientIn(PANEL), AnyTerm((code("third"),))),
    "a panel and no term": (PatientIn(PANEL), AnyTerm((code("third"),), negated=True)),
}


@pytest.fixture
async def filled(store: MongoRevisionStore) -> MongoRevisionStore:
    """60 resources of 60 patients; four of them carry the rare term, all the common one, some share a label."""
    for number in range(60):
        terms = [code("often"), *[code("rare")] * (number in (1, 6, 20, 33)), *[code("third")] * (number % 3 == 0)]
        labels = ("R",) if number % 4 == 0 else ()
        made = change(
            ResourceKey("Observation", f"r{number}"),
            terms=tuple(terms),
            scoped=(code("of"),),
            patient=f"p{number}",
            labels=labels,
        )
        await store.commit(write(made))
    return store


async def pages(store: MongoRevisionStore, query: SearchQuery) -> list[tuple[list[str], int | None]]:
    found = []
    while True:
        page = await store.find(query)
        found.append(([one.head.key.id for one in page.matches], page.total))
        if page.next is None:
            return found
        query = msgspec.structs.replace(query, after=page.next)


@pytest.mark.parametrize("name", CONDITIONS)
async def test_each_page_is_the_one_the_database_would_give(
    filled: MongoRevisionStore, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    leaders = (RARE, OFTEN, OfPatients(("p6",), (code("of"),)), AnyTerm((code("rare"), code("third"))))
    queries = [
        SearchQuery("Observation", (leader, *CONDITIONS[name]), "place", count)
        for leader in leaders
        for count in (1, 3, 50)
    ]
    sieved = [await pages(filled, query) for query in queries for _ in range(2)]

    async def never(*_: object) -> None:
        return None

    monkeypatch.setattr(Searches, "_sieved", never)
    assert sieved == [await pages(filled, query) for query in queries for _ in range(2)]


async def test_a_panel_is_not_sent_with_a_find_that_is_over_soon(
    filled: MongoRevisionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ShortFind] = []
    documents = filled._searches._joint.documents

    async def seen(find: ShortFind) -> object:
        asked.append(find)
        return await documents(find)

    monkeypatch.setattr(filled._searches._joint, "documents", seen)
    rare = SearchQuery("Observation", (RARE, PatientIn(PANEL)), "place", 20)
    assert [one.head.key.id for one in (await filled.find(rare)).matches] == ["r6", "r20"]
    assert [find.rest for find in asked] == [[]]
    asked.clear()
    often = SearchQuery("Observation", (OFTEN, PatientIn(PANEL)), "place", 20)
    assert len((await filled.find(often)).matches) == 20
    assert len((await filled.find(often)).matches) == 20
    # What was cut is asked in full, and from then on at once.
    assert [bool(find.rest) for find in asked] == [False, True, True]
