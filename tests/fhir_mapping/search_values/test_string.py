"""https://hl7.org/fhir/R4/search.html#string: starts-with, exactness, and what does not count."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidRequest
from fhir_mapping.search_parameters import parameters_of
from fhir_mapping.search_values import string
from fhir_mapping.search_values.forms import terms

NAME = parameters_of("Patient")["name"]

CASES = [
    ("Chalmers", "chal", True),
    ("Chalmers", "CHALMERS", True),
    ("Chalmers", "almers", False),
    ("Chalmers", "chalmersx", False),
    ("Chalmers", "Ch.lmers", False),
    ("Chalmers", "Chalm[a-z]", False),
    ("Chalmers", "$where", False),
    ("Chalmers", ".*", None),
    ("Van der Berg", "van der b", True),
    ("Van der Berg", "van  der\tb", True),
    ("Van der Berg", "berg", True),
    ("Van der Berg", "vander", False),
    ("Van der Berg", "van berg", False),
    ("Ann-Marie", "ann", True),
    ("Ann-Marie", "ann-marie", True),
    ("Ann-Marie", "annmarie", True),
    ("Ann-Marie", "marie", True),
    ("O'Brien", "obrien", True),
    ("O’Brien", "o'brien", True),
    ("Zoë", "zoe", True),
    ("Zoe", "ZOË", True),
    (unicodedata.normalize("NFD", "Zoë"), unicodedata.normalize("NFC", "zoë"), True),
    ("Straße", "strasse", True),
    ("Ｃｈａｌ", "chal", True),
    ("李雷", "李", True),
    ("Smith,John", "john", True),
    ("St. Mary's Hospital", "st mary", True),
    ("a" * 200, "a" * string.MAX_PREFIX, True),
]


@pytest.mark.parametrize(("value", "text", "found"), CASES)
def test_a_default_search_is_starts_with_on_value_and_words(value: str, text: str, found: bool | None) -> None:
    if found is None:
        with pytest.raises(InvalidRequest):
            string.condition(NAME, None, [text])
        return
    condition = string.condition(NAME, None, [text])
    assert bool(set(terms("name", string.text_forms(value))) & set(condition.terms)) is found


@pytest.mark.parametrize(
    ("text", "found"), [("Chalmers", True), ("chalmers", False), ("Chal", False), ("Chálmers", False)]
)
def test_exact_is_the_whole_value_as_it_stands(text: str, found: bool) -> None:
    condition = string.condition(NAME, "exact", [text])
    assert bool(set(terms("name", string.text_forms("Chalmers"))) & set(condition.terms)) is found


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("HumanName", {"family": "A", "given": ["B", None], "prefix": ["C"], "suffix": ["D"], "text": "E"}, "abcde"),
        (
            "Address",
            {"line": ["A"], "city": "B", "district": "C", "state": "D", "postalCode": "E", "country": "F"},
            "abcdef",
        ),
        ("HumanName", {"use": "official", "period": {"start": "2020"}}, ""),
    ],
)
def test_every_string_part_of_names_and_addresses_counts(kind: str, value: dict[str, Any], words: str) -> None:
    assert {text for name, text in string.FORMS[kind](value) if name == "p"} == set(words)


def test_a_text_longer_than_the_index_is_refused_not_guessed() -> None:
    with pytest.raises(InvalidRequest) as refused:
        string.condition(NAME, None, ["a" * (string.MAX_PREFIX + 1)])
    assert refused.value.issues[0].expression == "name"


def test_a_name_costs_few_terms() -> None:
    assert len(set(string.FORMS["HumanName"]({"family": "Chalmers", "given": ["Peter"], "prefix": ["Mr."]}))) <= 25


@given(st.text(max_size=60), st.integers(1, 60))
def test_every_start_of_a_value_finds_it(value: str, end: int) -> None:
    whole = string.normalised(value)
    prefix = whole[:end].rstrip()
    if not prefix:
        return
    assert ("p", string.normalised(prefix)) in string.text_forms(value)


@given(st.text(max_size=40))
def test_normalising_twice_changes_nothing_and_forms_do_not_count(value: str) -> None:
    once = string.normalised(value)
    assert string.normalised(once) == once
    assert string.normalised(unicodedata.normalize("NFD", value)) == once
