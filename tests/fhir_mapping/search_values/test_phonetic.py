"""https://www.archives.gov/research/census/soundex: the examples given there, and names of a resource."""

from __future__ import annotations

import pytest

from domain.errors import InvalidRequest
from domain.search import AllOf
from fhir_mapping.search_values import phonetic


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("washington", "w252"), ("lee", "l000"), ("gutierrez", "g362"), ("pfister", "p236"), ("jackson", "j250"),
        ("tymczak", "t522"), ("ashcraft", "a261"), ("robert", "r163"), ("rupert", "r163"), ("honeyman", "h555"),
    ],
)  # fmt: skip
def test_words_that_sound_alike_have_one_code(word: str, code: str) -> None:
    assert phonetic.soundex(word) == code


def test_a_name_is_found_by_each_of_its_words() -> None:
    assert phonetic.forms({"family": "Van der Berg", "given": ["Zoë", None]}) == [
        ("x", "v500"), ("x", "d600"), ("x", "b620"), ("x", "z000")
    ]  # fmt: skip
    assert phonetic.forms("Robert Clinic") == [("x", "r163"), ("x", "c452")]


def test_all_words_of_a_search_must_sound() -> None:
    found = phonetic.condition("phonetic", ["robert berg"])
    assert isinstance(found, AllOf)
    assert len(found.conditions) == 2
    with pytest.raises(InvalidRequest):
        phonetic.condition("phonetic", ["123"])
