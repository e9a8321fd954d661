"""The checker of the journeys finds what it is for; a checker that finds nothing proves nothing otherwise."""

from __future__ import annotations

import pytest

from tests.journeys.acknowledged import Attempt, Stored, differences

CREATED = Attempt("a", 1, 0.0, 1.0, ("Patient/1/1",))
CHANGED = Attempt("b", 1, 2.0, 3.0, ("Patient/1/2",))
BUNDLE = Attempt("c", 2, 0.0, 9.0, ("Patient/2/1", "Observation/3/1"))
UNKNOWN = Attempt("d", 2, 0.0)
MARKS = {"Patient/1/1": "a", "Patient/1/2": "b", "Patient/2/1": "c", "Observation/3/1": "c"}
CURRENT = {"Patient/1": 2, "Patient/2": 1, "Observation/3": 1}
ATTEMPTS = [CREATED, CHANGED, BUNDLE, UNKNOWN]


def stored(marks: dict[str, str], current: dict[str, int] | None = None, audited: list[str] | None = None) -> Stored:
    return Stored(marks, CURRENT if current is None else current, list(marks) if audited is None else audited)


def without(name: str) -> dict[str, str]:
    return {key: mark for key, mark in MARKS.items() if key != name}


def test_what_was_told_and_is_stored_is_no_difference() -> None:
    assert differences(ATTEMPTS, stored(MARKS)) == []
    both = {**MARKS, "Patient/4/1": "d", "Patient/5/1": "d"}
    assert differences(ATTEMPTS, stored(both, {**CURRENT, "Patient/4": 1, "Patient/5": 1})) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (stored(without("Patient/1/2"), {**CURRENT, "Patient/1": 1}), "b: told ['Patient/1/2'], stored []"),
        (stored({**MARKS, "Patient/9/1": "a"}, {**CURRENT, "Patient/9": 1}), "a: told ['Patient/1/1'], stored"),
        (stored({**MARKS, "Patient/1/2": "a"}), "b: told ['Patient/1/2'], stored []"),
        (stored({**MARKS, "Patient/4/1": "d"}, {**CURRENT, "Patient/4": 1}), "d: 1 of 2 writes happened"),
        (stored({**MARKS, "Patient/4/1": "x"}, {**CURRENT, "Patient/4": 1}), "x: ['Patient/4/1'] was written by"),
        (stored(without("Patient/1/1")), "Patient/1: has the versions [2]"),
        (stored(MARKS, {**CURRENT, "Patient/1": 1}), "Patient/1: version 1 is current, 2 is newest"),
        (stored(MARKS, {**CURRENT, "Patient/7": 1}), "Patient/7: has no version at all"),
        (stored(MARKS, audited=list(without("Patient/1/1"))), "Patient/1/1: the audit has 0 entries"),
        (stored(MARKS, audited=[*MARKS, "Patient/1/1"]), "Patient/1/1: the audit has 2 entries"),
        (stored(MARKS, audited=[*MARKS, "Patient/8/1"]), "Patient/8/1: is in the audit, but not stored"),
    ],
)
def test_what_is_lost_doubled_or_half_done_is_named(found: Stored, said: str) -> None:
    assert [sentence for sentence in differences(ATTEMPTS, found) if sentence.startswith(said)]


def test_versions_against_the_order_of_time_are_named() -> None:
    early, late = CREATED._replace(told=("Patient/1/2",)), CHANGED._replace(told=("Patient/1/1",))
    marks = {**MARKS, "Patient/1/1": "b", "Patient/1/2": "a"}
    assert differences([early, late, BUNDLE], stored(marks)) == [
        "Patient/1: a ended before b began, and has the later version 2"
    ]
    at_once = early._replace(ended=2.5)
    assert differences([at_once, late, BUNDLE], stored(marks)) == []
