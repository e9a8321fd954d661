"""https://hl7.org/fhir/R4/patient-operation-match.html: scores and grades."""

from __future__ import annotations

import msgspec
import pytest

from domain.operations.match import grade_of, score_of
from domain.reading import Person

ONE = Person(
    identifiers=frozenset({("urn:mrn", "1")}),
    family=frozenset({"muller"}),
    given=frozenset({"jorg"}),
    birth_date=frozenset({"1970-03-01"}),
    gender=frozenset({"male"}),
    telecom=frozenset({"+41441234567"}),
    postal_code=frozenset({"8001"}),
)
NAMELESS = Person(identifiers=ONE.identifiers)
UNKNOWN_NUMBER = msgspec.structs.replace(ONE, identifiers=frozenset())


@pytest.mark.parametrize(
    ("other", "grade"),
    [
        (ONE, "certain"),
        (msgspec.structs.replace(ONE, postal_code=frozenset({"9000"})), "certain"),
        (NAMELESS, "probable"),
        (UNKNOWN_NUMBER, "probable"),
        (msgspec.structs.replace(ONE, birth_date=frozenset({"1999-01-01"}), family=frozenset({"x"})), "possible"),
        (msgspec.structs.replace(ONE, identifiers=frozenset({("urn:mrn", "2")})), "possible"),
        (Person(family=ONE.family, given=ONE.given, birth_date=frozenset({"1999-01-01"})), "certainly-not"),
        (Person(), "certainly-not"),
    ],
)
def test_facts_that_agree_and_differ_make_the_grade(other: Person, grade: str) -> None:
    same = bool(ONE.identifiers & other.identifiers)
    assert grade_of(score_of(ONE, other), same_identifier=same) == grade
    assert score_of(ONE, other) == score_of(other, ONE)
    assert 0 <= score_of(ONE, other) <= 1


def test_nobody_is_certain_without_a_common_identifier() -> None:
    assert grade_of(1.0, same_identifier=False) == "probable"


def test_a_person_is_never_printed() -> None:
    assert "muller" not in repr(ONE)
