"""Index and query together find exactly what brute force on the plain JSON finds.

https://hl7.org/fhir/R4/search.html. Random resources, random searches of every parameter type, prefix and modifier; the seed
is printed with every difference.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from datetime import UTC, datetime

import pytest

from domain.errors import InvalidRequest
from domain.identity import FhirJson, ResourceKey
from domain.revision import Head
from fhir_mapping.index_terms import IndexTerms
from fhir_mapping.inspection import OpenedResource
from fhir_mapping.query_string import QueryStrings
from tests.contracts import search_oracle, search_resources

NOW = datetime(2022, 1, 1, tzinfo=UTC)
SEED = int(os.environ["CHARTVAULT_SEED"])
RESOURCES, SEARCHES = 60, 1_300


def described(resource_type: str, contents: list[FhirJson]) -> list[OpenedResource]:
    describer = IndexTerms()
    return [
        OpenedResource(Head(ResourceKey(resource_type, str(n)), 1, "PUT", NOW), content, describer, lambda: NOW)
        for n, content in enumerate(contents)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("resource_type", search_resources.MAKERS)
def test_a_search_finds_what_brute_force_finds(resource_type: str) -> None:
    rng = random.Random(f"{SEED} {resource_type}")
    contents = [search_resources.MAKERS[resource_type](rng) for _ in range(RESOURCES)]
    opened = described(resource_type, contents)
    parser = QueryStrings(now=lambda: NOW)
    differences, hits, asked = [], Counter[str](), 0
    for _ in range(SEARCHES):
        pairs = search_resources.search(rng, resource_type)
        try:
            conditions = parser.parse(resource_type, pairs, strict=True).query.conditions
        except InvalidRequest:
            continue
        asked += 1
        for content, inside in zip(contents, opened, strict=True):
            found = all(map(inside.satisfies, conditions))
            expected = all(search_oracle.holds(content, name, value, NOW) for name, value in pairs)
            hits.update({name for name, _ in pairs} if expected else ())
            if found is not expected:
                differences.append((pairs, found, content))
    assert not differences, f"CHARTVAULT_SEED={SEED}: {len(differences)} differences, the first {differences[0]}"
    assert asked > SEARCHES * 0.9
    never = {name for name, _ in search_resources.QUERIES[resource_type]} - set(hits)
    assert not never, f"CHARTVAULT_SEED={SEED}: nothing was ever found by {never}"
