"""What a sight says about named patients: the same as of everybody, without what the names decide, and the same object again."""

from __future__ import annotations

import pytest

from domain.access import all_knowing
from domain.policy import sight as module
from domain.policy.consent import Effect
from domain.policy.sight import PolicySight
from domain.policy.standing import Standing
from domain.search import Condition, PatientIn

TEAM = frozenset(f"t{number}" for number in range(20))
DENYING = ("t1", "t2", "x1")
EFFECTS = (
    *(Effect(patient, False) for patient in DENYING),
    Effect("t3", False, labels=("PSY",)),
    Effect("x2", True, types=("Observation",)),
)


def sight_of(**more: object) -> PolicySight:
    standing = Standing("me", team=TEAM, effects=EFFECTS)
    return PolicySight(frozenset({"DOCTOR"}), standing, rights=lambda letter, resource_type: True)


@pytest.mark.parametrize("kind", ["Observation", "Patient", "DocumentReference", "Schedule"])
def test_about_somebody_the_conditions_are_those_that_knowing_leaves(kind: str) -> None:
    sight = sight_of()
    for names in (*({name} for name in (*TEAM, "x1", "x2", "x3")), {"t1", "x3"}, {"t4", "t5"}):
        named = frozenset(names)
        assert sight.about("s", kind, named) == all_knowing(sight.conditions("s", kind), named), names


def test_of_whom_a_sight_says_the_same_it_says_it_with_the_same_object() -> None:
    sight = sight_of()
    one, other = (sight.about("s", "Observation", frozenset({name})) for name in ("t4", "t5"))
    assert one is other
    assert one is not sight.about("s", "Observation", frozenset({"t1"}))
    assert sight.about("s", "Observation", frozenset({"x1"})) != one


def test_what_is_kept_goes_with_the_conditions_it_was_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    sight = sight_of()
    before = sight.about("s", "Observation", frozenset({"t4"}))
    left: tuple[Condition, ...] = (PatientIn(frozenset({"t9"})),)
    monkeypatch.setattr(PolicySight, "plain", lambda self, letter, resource_type: left)
    assert sight.about("s", "Observation", frozenset({"t4"})) == left != before


def test_no_more_outcomes_are_kept_than_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OUTCOMES", 2)
    sight = sight_of()
    for name in ("t1", "t3", "t4", "x1", "x2"):
        expected = all_knowing(sight.conditions("s", "Observation"), frozenset({name}))
        assert sight.about("s", "Observation", frozenset({name})) == expected
