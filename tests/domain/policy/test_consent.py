"""Consents reduced to one party: who, when, what for; exceptions; what cannot be decided."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.identity import ResourceKey
from domain.matching import fits
from domain.policy.consent import Party, effect_of
from domain.revision import Head
from domain.ties import Provision

DR = Party(frozenset({"Practitioner/1"}), frozenset({"TREAT"}), 100)
DENY, PERMIT = Provision(permit=False), Provision(permit=True)


def head(kind: str = "Condition", patient: str = "p", labels: tuple[str, ...] = ()) -> Head:
    return Head(
        ResourceKey(kind, "1"), 1, "PUT", datetime(2026, 1, 1, tzinfo=UTC), patient, labels=labels, patients=(patient,)
    )


@pytest.mark.parametrize(
    ("rule", "concerned"),
    [
        (DENY, True),
        (Provision(permit=False, actors=("Practitioner/1",)), True),
        (Provision(permit=False, actors=("Practitioner/2",)), False),
        (Provision(permit=False, low=101), False),
        (Provision(permit=False, high=100), False),
        (Provision(permit=False, low=100, high=101), True),
        (Provision(permit=False, purposes=("HRESCH",)), False),
        (Provision(permit=False, purposes=("TREAT",)), True),
        (Provision(permit=True, vague=True), False),
        (Provision(permit=False, vague=True, types=("Basic",)), True),
    ],
)
def test_a_provision_concerns_a_party_by_actor_time_and_purpose(rule: Provision, concerned: bool) -> None:
    assert (effect_of(rule, "p", DR) is not None) is concerned


def test_no_purpose_that_is_said_gets_around_a_denial_of_treatment() -> None:
    party = DR._replace(purposes=frozenset({"HOPERAT"}))
    assert effect_of(Provision(permit=False, purposes=("TREAT",)), "p", party) is not None
    assert effect_of(Provision(permit=True, purposes=("TREAT",)), "p", party) is None


def test_an_exception_carves_out_of_what_surrounds_it() -> None:
    inner = Provision(permit=True, actors=("Practitioner/1",), types=("Condition",))
    effect = effect_of(Provision(permit=False, exceptions=(inner,)), "p", DR)
    assert effect is not None
    assert not fits(effect.condition("r", "Condition"), head())
    assert fits(effect.condition("r", "Observation"), head("Observation"))
    other = effect_of(
        Provision(permit=False, exceptions=(inner,)), "p", DR._replace(actors=frozenset({"Practitioner/2"}))
    )
    assert other is not None
    assert fits(other.condition("r", "Condition"), head())


def test_what_a_denial_cannot_decide_it_denies() -> None:
    effect = effect_of(Provision(permit=False, vague=True, types=("Basic",), names=("Condition/9",)), "p", DR)
    assert effect is not None
    assert effect.touches("r", "Condition")
    assert fits(effect.condition("r", "Condition"), head())


def test_a_permission_to_one_resource_or_label_reaches_no_other() -> None:
    one = effect_of(Provision(permit=True, names=("Condition/1",)), "p", DR)
    assert one is not None
    assert fits(one.condition("r", "Condition"), head())
    assert not fits(one.condition("r", "Condition"), head(patient="somebody-else"))
    assert not one.touches("r", "Observation")
    label = effect_of(Provision(permit=True, labels=("s|HIV",)), "p", DR)
    assert label is not None
    assert fits(label.condition("r", "Condition"), head(labels=("s|HIV",)))
    assert not fits(label.condition("r", "Condition"), head())


def test_a_permission_without_actions_is_one_to_read() -> None:
    effect = effect_of(PERMIT, "p", DR)
    assert effect is not None
    assert [effect.touches(letter, "Condition") for letter in "crudsh"] == [False, True, False, False, True, True]


def test_who_may_not_read_may_not_write() -> None:
    effect = effect_of(Provision(permit=False, letters="rsh"), "p", DR)
    assert effect is not None
    assert all(effect.touches(letter, "Condition") for letter in "crudsh")
    correcting = effect_of(Provision(permit=False, letters="ud"), "p", DR)
    assert correcting is not None
    assert [correcting.touches(letter, "Condition") for letter in "rud"] == [False, True, True]
