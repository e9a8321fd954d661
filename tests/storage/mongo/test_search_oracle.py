"""The database finds what brute force on the plain JSON finds, page by page, and in the order asked for.

https://hl7.org/fhir/R4/search.html. A sample of what `tests/fhir_mapping/test_search_oracle.py` does without a database.
"""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from domain.errors import InvalidRequest
from domain.identity import FhirJson, ResourceKey
from domain.ports import RevisionStore
from domain.revision import Change, next_revision
from domain.search import SearchQuery
from fhir_mapping.index_terms import IndexTerms
from fhir_mapping.inspection import Inspection
from fhir_mapping.query_string import QueryStrings
from storage.crypto.keys import Keyring
from storage.memory.revisions import MemoryRevisionStore
from storage.mongo.client import Database
from storage.mongo.revisions import MongoRevisionStore
from tests.contracts import search_oracle, search_resources
from tests.contracts.writes import write

NOW = datetime(2022, 1, 1, tzinfo=UTC)
SEED = int(os.environ["CHARTVAULT_SEED"])
RESOURCES, SEARCHES = 80, 60
SORTS = {
    "Patient": ["family,-birthdate", "-family", "birthdate", "gender,name", "-_id", "-_lastUpdated"],
    "Observation": ["date", "-date", "-value-quantity,date", "code", "status,-date", "_lastUpdated"],
    "RiskAssessment": ["probability", "-probability,_id"],
    "Condition": ["onset-date", "-onset-date", "-recorded-date"],
    "ValueSet": ["title", "-url"],
    "Location": ["name,-_id"],
}


def parser() -> QueryStrings:
    return QueryStrings(now=lambda: NOW)


async def ids(store: RevisionStore, query: SearchQuery) -> list[str]:
    """The ids of all matches in order, collected page by page."""
    found: list[str] = []
    while True:
        page = await store.find(query)
        found += [one.head.key.id for one in page.matches]
        if page.next is None:
            return found
        query = msgspec.structs.replace(query, after=page.next)


async def filled(resource_type: str, *stores: RevisionStore) -> dict[str, FhirJson]:
    """Random resources in every store, some of them changed once."""
    rng = random.Random(f"{SEED} {resource_type}")
    contents: dict[str, FhirJson] = {}
    for number in [*range(RESOURCES), *range(0, RESOURCES, 7)]:
        name, content = f"r{number:03d}", search_resources.MAKERS[resource_type](rng)
        contents[name] = content
        key = ResourceKey(resource_type, name)
        for store in stores:
            base, now = await store.newest(key), NOW + timedelta(seconds=number // 3)
            revision = next_revision(key, content, method="PUT", base=base, now=now)
            await store.commit(write(Change(revision, IndexTerms().describe(content, key), base)))
    return contents


@pytest.mark.slow
@pytest.mark.parametrize("resource_type", search_resources.MAKERS)
async def test_the_database_finds_what_brute_force_finds(data: Database, keyring: Keyring, resource_type: str) -> None:
    inspect = Inspection(IndexTerms(), lambda: NOW)
    store, memory = MongoRevisionStore(data, keyring, inspect), MemoryRevisionStore(inspect=inspect)
    contents = await filled(resource_type, store, memory)
    rng = random.Random(f"searches {SEED} {resource_type}")
    for _ in range(SEARCHES):
        pairs = search_resources.search(rng, resource_type)
        try:
            query = parser().parse(resource_type, [*pairs, ("_count", "7"), ("_total", "accurate")], strict=True).query
        except InvalidRequest:
            continue
        expected = [n for n, c in contents.items() if all(search_oracle.holds(c, *pair, NOW) for pair in pairs)]
        found = await ids(store, query)
        assert sorted(found) == sorted(expected), f"CHARTVAULT_SEED={SEED} {pairs}"
        assert (await store.find(query)).total == len(expected), f"CHARTVAULT_SEED={SEED} {pairs}"
    for sort in SORTS[resource_type]:
        query = parser().parse(resource_type, [("_sort", sort), ("_count", "7")], strict=True).query
        expected_order = await ids(memory, query)
        assert len(expected_order) == RESOURCES
        assert await ids(store, query) == expected_order, f"CHARTVAULT_SEED={SEED} {sort}"
    await store.close()
