"""https://hl7.org/fhir/R4/observation-operation-lastn.html: what counts as one kind."""

from __future__ import annotations

from domain.operations.lastn import kinds_of


def test_rows_that_share_a_name_even_through_others_are_of_one_kind() -> None:
    assert kinds_of([("a",), ("b",), ("a", "c"), ("c",), (), ()]) == [0, 1, 0, 0, 4, 5]
    assert kinds_of([("a",), ("b",), ("b", "a")]) == [0, 0, 0]
    assert kinds_of([]) == []
