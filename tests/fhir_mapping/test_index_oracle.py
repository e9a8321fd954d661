"""The index says of every official example what evaluating the search expressions says, for parameters of every kind.

https://hl7.org/fhir/R4/search.html. A pair of resource and parameter is equal when, as evaluated by fhirpathpy: the parameter
is missing or present, its dates, numbers and quantities have the same ends, and searches for its values (for composites:
for the values of one instance) find the resource, those for values of two instances do not.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice, product
from pathlib import Path
from typing import Any

import pytest

from domain.errors import DomainError
from domain.identity import FhirJson, ResourceKey
from domain.ranges import MOMENT
from domain.revision import Description, Head
from fhir_mapping.index_terms import NATIVE, IndexTerms
from fhir_mapping.inspection import OpenedResource
from fhir_mapping.query_string import QueryStrings
from fhir_mapping.range_paths import is_personal, is_sealed, paths
from fhir_mapping.search_parameters import SearchParameter, parameters_of
from fhir_mapping.tables import RESOURCE_TYPES
from tests.fhir_mapping.evaluated import component, date_ends, instances, number_ends, oracle, searches

NOW = datetime(2022, 1, 1, tzinfo=UTC)
DESCRIBE, PARSER = IndexTerms(), QueryStrings(now=lambda: NOW)
MOST = 12
"""Values of one parameter of one resource that are searched for."""


class Example:
    """One official example, described and opened."""

    def __init__(self, content: FhirJson) -> None:
        self.content = content
        self.type = content["resourceType"]
        head = Head(ResourceKey(self.type, content["id"]), 1, "PUT", NOW)
        self.described: Description = DESCRIBE.describe(content, head.key)
        self._opened = OpenedResource(head, content, DESCRIBE, lambda: NOW)

    def found_by(self, name: str, value: str) -> bool:
        """Whether a search finds it; one that is refused does not."""
        try:
            conditions = PARSER.parse(self.type, [(name, value)], strict=True).query.conditions
        except DomainError:
            return False
        return all(map(self._opened.satisfies, conditions))

    def difference(self, parameter: SearchParameter) -> str | None:
        """What the index says otherwise of a parameter; `None` when nothing."""
        if parameter.kind == "composite":
            return self._composite_difference(parameter)
        values = oracle(parameter.expression, self.type)(self.content)
        if self.found_by(f"{parameter.code}:missing", "false") is not bool(values):
            return "presence"
        if self._ends(parameter) != evaluated_ends(parameter, values):
            return "ends"
        texts = dict.fromkeys(text for value in values for text in searches(parameter.code, parameter.kind, value))
        return next(
            (f"not found by {text!r}" for text in islice(texts, MOST) if not self.found_by(parameter.code, text)), None
        )

    def _ends(self, parameter: SearchParameter) -> set[Any] | None:
        if not has_ends(parameter):
            return None
        where = {f"{mark}{path}" for path in paths(parameter) for mark in ("", "~")}
        found = {(each.low, each.high) for each in self.described.ranges if each.path in where}
        if MOMENT in where and self.described.moment is not None:
            found.add(self.described.moment)
        return {rounded(ends) for ends in found}

    def _composite_difference(self, parameter: SearchParameter) -> str | None:
        known = parameters_of(self.type)
        rows: list[list[set[str]]] = []
        for path in instances(parameter.expression, self.type, self.content):
            found = [
                (code, component(path, expression, self.type, self.content))
                for code, _, expression in parameter.components
            ]
            rows.append(
                [
                    {text for value in values for text in searches(code, known[code].kind, value)}
                    for code, values in found
                ]
            )
        within = {"$".join(texts) for row in rows for texts in product(*row)}
        columns = [set[str]().union(*(row[at] for row in rows)) for at in range(len(parameter.components))]
        across = {"$".join(texts) for texts in product(*columns)} - within
        missed = [text for text in islice(sorted(within), MOST) if not self.found_by(parameter.code, text)]
        return f"not found by {missed[0]!r}" if missed else self._invented(parameter, islice(sorted(across), MOST))

    def _invented(self, parameter: SearchParameter, texts: Iterator[str]) -> str | None:
        return next((f"found by {text!r}" for text in texts if self.found_by(parameter.code, text)), None)


def has_ends(parameter: SearchParameter) -> bool:
    return parameter.kind in ("date", "number", "quantity") and not is_personal(parameter) and not is_sealed(parameter)


def evaluated_ends(parameter: SearchParameter, values: list[Any]) -> set[Any] | None:
    if not has_ends(parameter):
        return None
    read = date_ends if parameter.kind == "date" else number_ends
    return {rounded(ends) for ends in map(read, values) if ends is not None}


def rounded(ends: Any) -> Any:
    """An end next to a number (`<5`) counts as that number left out: open, as is evaluated."""
    return tuple(end if end is None or isinstance(end, int) else round(float(end), 9) for end in ends)


def examples(shared: Path) -> Iterator[Example]:
    with tarfile.open(shared / "data" / "hl7-r4-examples.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".json") else None
            # Numbers as text: the oracle turns them into its own kind.
            content = json.load(file, parse_float=str) if file is not None else {}
            if content.get("resourceType") in RESOURCE_TYPES:
                yield Example(content)


_TEXT = "A string that looks like a date: a date parameter reads dates, periods and timings"
DIFFERENCES = {
    **{(f"CarePlan/{name}", "activity-date"): _TEXT for name in ("f001", "f002", "f003")},
}
"""Pairs that differ, and why."""


@pytest.mark.slow
def test_the_index_says_what_evaluation_says(shared: Path) -> None:
    pairs, differing = 0, dict[tuple[str, str], str]()
    for example in examples(shared):
        for parameter in parameters_of(example.type).values():
            if parameter.expression and parameter.code not in NATIVE:
                pairs += 1
                difference = example.difference(parameter)
                if difference is not None:
                    differing[f"{example.type}/{example.content['id']}", parameter.code] = difference
    assert {pair: difference for pair, difference in differing.items() if pair not in DIFFERENCES} == {}
    assert set(DIFFERENCES) == set(differing)
    assert len(differing) <= 0.005 * pairs
    assert pairs > 14_000
