"""What the benchmark counts by, held to the examples of the specification. https://hl7.org/fhir/R4/search.html"""

from __future__ import annotations

from typing import Any

import pytest

from api.bench import meanings
from api.bench.meanings import Meaning
from api.bench.shapes import SHAPES, at

BLOOD = {"value": 142.5, "system": meanings.UCUM, "code": "mm[Hg]"}
LOINC = {"system": "http://loinc.org", "code": "8480-6"}


def holds(meaning: Meaning, value: Any, text: str) -> bool:
    return meaning.test(text)(meaning.seen(value))


@pytest.mark.parametrize(
    ("meaning", "value", "text", "found"),
    [
        (meanings.STARTS, "Sørensen-Berg", "sør", True),
        (meanings.STARTS, "Éva Maria", "eva", True),
        (meanings.STARTS, "Anna Maria", "mar", True),
        (meanings.STARTS, "Anna", "nna", False),
        (meanings.CONTAINS, "Anna", "NN", True),
        (meanings.EXACT, "Anna", "anna", False),
        (meanings.CODING, LOINC, "http://loinc.org|8480-6", True),
        (meanings.CODING, LOINC, "http://loinc.org|8480", False),
        (meanings.MONTH, {"start": "2013-01-14T23:00:00Z", "end": "2013-01-16T01:00:00Z"}, "ge2013-01-15&date=lt2013-02-14", True),
        (meanings.MONTH, {"start": "2013-01-14", "end": "2013-01-14"}, "ge2013-01-15&date=lt2013-02-14", False),
        (meanings.quantity("eq"), BLOOD, "eq142.5|http://unitsofmeasure.org|mm[Hg]", True),
        (meanings.quantity("eq"), BLOOD, "eq142|http://unitsofmeasure.org|mm[Hg]", False),
        (meanings.quantity("gt"), BLOOD, "gt142|http://unitsofmeasure.org|mm[Hg]", True),
        (meanings.quantity("lt"), BLOOD, "lt142.5|http://unitsofmeasure.org|mm[Hg]", False),
        (meanings.quantity("gt"), BLOOD, "gt1|http://unitsofmeasure.org|cm", False),
        (meanings.coded_quantity("gt"), (LOINC, BLOOD), "http://loinc.org|8480-6$gt142|http://unitsofmeasure.org|mm[Hg]", True),
        (meanings.coded_quantity("gt"), (LOINC, BLOOD), "http://loinc.org|8462-4$gt1|http://unitsofmeasure.org|mm[Hg]", False),
    ],
)  # fmt: skip
def test_a_value_satisfies_a_search_or_not(meaning: Meaning, value: Any, text: str, found: bool) -> None:
    assert holds(meaning, value, text) is found


@pytest.mark.parametrize(
    ("value", "prefixes"),
    [
        ("2013-01-14", {"eq", "ge", "le", "ap"}),
        ("2013-01-14T10:00:00+00:00", {"eq", "ge", "le", "ap"}),
        ("2013-01-14T00:30:00+01:00", {"ne", "lt", "le", "eb", "ap"}),
        ("2013-01-15", {"ne", "gt", "ge", "sa", "ap"}),
        ("1913-01-15", {"ne", "lt", "le", "eb"}),
        ({"start": "2013-01-13", "end": "2013-01-15"}, {"ne", "gt", "lt", "ge", "le", "ap"}),
        ({"start": "2013-01-13"}, {"ne", "gt", "lt", "ge", "le", "ap"}),
    ],
)
def test_every_prefix_compares_intervals_as_the_specification_says(value: Any, prefixes: set[str]) -> None:
    held = {each for each in meanings.PREFIXES if holds(meanings.date(each), value, f"{each}2013-01-14")}
    assert held == prefixes


def test_a_text_sampled_from_a_value_finds_that_value() -> None:
    patient = {"name": [{"family": "Lindqvist", "given": ["Ana"]}], "birthDate": "1971-04-02"}
    for shape in SHAPES:
        if shape.type != "Patient":
            continue
        for value in shape.read(patient):
            text = shape.meaning.text(value)
            assert text is None or holds(shape.meaning, value, text), shape.ask


def test_paths_walk_through_lists() -> None:
    content = {"name": [{"given": ["a", "b"]}, {"family": "c"}]}
    assert list(at("name.given", "name.family")(content)) == ["a", "b", "c"]
