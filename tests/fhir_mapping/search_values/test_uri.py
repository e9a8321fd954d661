"""https://hl7.org/fhir/R4/search.html#uri: equality, above and below."""

from __future__ import annotations

import pytest

from domain.errors import InvalidRequest
from fhir_mapping.search_parameters import parameters_of
from fhir_mapping.search_values import uri
from fhir_mapping.search_values.forms import terms

URL = parameters_of("ValueSet")["url"]
ONE, TWO = "http://cf.example/vs/one", "http://cf.example/vs/one/two"

CASES = [
    (ONE, None, ONE, True),
    (ONE, None, "HTTP://cf.example/vs/one", False),
    (ONE, None, "http://cf.example/vs", False),
    (f"{ONE}|1.0", None, ONE, True),
    (f"{ONE}|1.0", None, f"{ONE}|1.0", True),
    (f"{ONE}|1.0", None, f"{ONE}|2.0", False),
    (ONE, "below", ONE, True),
    (TWO, "below", ONE, True),
    (TWO, "below", f"{ONE}/", True),
    (f"{ONE}x", "below", ONE, False),
    (ONE, "below", TWO, False),
    (ONE, "above", TWO, True),
    (TWO, "above", TWO, True),
    (TWO, "above", ONE, False),
    ("urn:oid:1.2.3", None, "urn:oid:1.2.3", True),
]


@pytest.mark.parametrize(("value", "modifier", "text", "found"), CASES)
def test_a_uri_is_found_or_not(value: str, modifier: str | None, text: str, found: bool) -> None:
    condition = uri.condition(URL, modifier, [text])
    assert bool(set(terms("url", uri.forms(value))) & set(condition.terms)) is found


@pytest.mark.parametrize(("code", "text"), [("url", "urn:oid:1.2"), ("_profile", ONE)])
def test_above_and_below_are_refused_where_they_mean_nothing(code: str, text: str) -> None:
    for modifier in ("above", "below"):
        with pytest.raises(InvalidRequest) as refused:
            uri.condition(parameters_of("ValueSet")[code], modifier, [text])
        assert refused.value.issues[0].expression == code


def test_profiles_are_indexed_without_segments() -> None:
    assert uri.flat_forms(f"{ONE}|1") == [("u", f"{ONE}|1"), ("u", ONE)]
