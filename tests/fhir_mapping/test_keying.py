"""A code and its measure are asked as one, and find what each by itself would have left of the other."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from domain.identity import ResourceKey
from domain.revision import Head
from domain.search import AnyTerm, Condition, InRange
from fhir_mapping.index_terms import IndexTerms
from fhir_mapping.inspection import OpenedResource
from fhir_mapping.query_string import QueryStrings
from tests.contracts import search_oracle, search_resources

NOW = datetime(2022, 1, 1, tzinfo=UTC)


def conditions(*pairs: tuple[str, str]) -> tuple[Condition, ...]:
    return QueryStrings(now=lambda: NOW).parse("Observation", pairs, strict=True).query.conditions


def test_a_code_and_a_measure_are_one_condition() -> None:
    found = conditions(("status", "final"), ("code", "29463-7"), ("value-quantity", "gt100"))
    assert [type(each) for each in found] == [InRange, AnyTerm]


@pytest.mark.parametrize(
    "pairs",
    [
        [("code:not", "29463-7"), ("value-quantity", "gt100")],
        [("combo-code", "29463-7"), ("value-quantity", "gt100")],
        [("code", "29463-7"), ("combo-value-quantity", "gt100")],
        [("code", "29463-7"), ("date", "gt2010")],
        [("code", "29463-7"), ("value-quantity", "gt100"), ("patient", "1")],
        [("code", "29463-7"), ("value-quantity", "gt100"), ("patient.gender", "male")],
    ],
)
def test_others_stay_apart(pairs: list[tuple[str, str]]) -> None:
    assert len(conditions(*pairs)) >= 2


def test_together_they_find_what_both_find() -> None:
    rng = random.Random(7)
    contents = [search_resources.MAKERS["Observation"](rng) for _ in range(300)]
    head = Head(ResourceKey("Observation", "1"), 1, "PUT", NOW)
    opened = [OpenedResource(head, content, IndexTerms(), lambda: NOW) for content in contents]
    asked = dict(search_resources.QUERIES["Observation"])
    hits = together = 0
    for _ in range(60):
        pairs = [("code", asked["code"](rng)), ("value-quantity", asked["value-quantity"](rng))]
        wanted = conditions(*pairs)
        together += len(wanted) == 1
        for content, inside in zip(contents, opened, strict=True):
            expected = all(search_oracle.holds(content, *pair, NOW) for pair in pairs)
            assert all(map(inside.satisfies, wanted)) is expected, pairs
            hits += expected
    assert hits > 100
    assert together > 30
