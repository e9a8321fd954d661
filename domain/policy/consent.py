"""Consents reduced to what they mean for one caller, now: https://hl7.org/fhir/R4/consent.html

A provision applies to a caller when its actors, its purposes and its period do; what is left of it is an `Effect` on
resources. Its exceptions carve out of it. Between consents, and between an effect and another that is no exception to it, a
denial wins.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from domain.search import AllOf, AnyOf, Condition, IdIn, Labelled, NoneOf, PatientIn
from domain.ties import Provision

TREATMENT = frozenset({"TREAT"})
"""The purpose of a request that names none: https://terminology.hl7.org/ValueSet-v3-PurposeOfUse.html"""


class Party(NamedTuple):
    """The caller as consents name them, when, and what for."""

    actors: Collection[str]
    purposes: Collection[str]
    now: int


class Effect(NamedTuple):
    """What a provision does to the resources of `patient`; empty `types`, `labels` and `names` mean all.

    Without `letters` a permission is one to read, a denial is one of everything.
    """

    patient: str
    permit: bool
    letters: str = ""
    types: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    exceptions: tuple[Effect, ...] = ()

    def touches(self, letter: str, resource_type: str) -> bool:
        named = not self.names or any(name.startswith(f"{resource_type}/") for name in self.names)
        # Who may not read may not write either.
        letters = self.letters or ("rsh" if self.permit else "crudsh")
        return (letter in letters or (not self.permit and "r" in letters)) and named and self._kind(resource_type)

    def _kind(self, resource_type: str) -> bool:
        return not self.types or resource_type in self.types

    def whole(self, letter: str, resource_type: str) -> bool:
        """Whether it says the same of every resource of the type."""
        inner = any(each.touches(letter, resource_type) for each in self.exceptions)
        return not (self.labels or self.names or inner)

    def condition(self, letter: str, resource_type: str) -> Condition:
        """The resources of the type it says this of; it `touches` them."""
        parts: list[Condition] = [PatientIn(frozenset({self.patient}))]
        if self.labels:
            parts.append(Labelled(frozenset(self.labels)))
        if self.names:
            start = f"{resource_type}/"
            parts.append(IdIn(tuple(name.removeprefix(start) for name in self.names if name.startswith(start))))
        inner = [each for each in self.exceptions if each.touches(letter, resource_type)]
        if inner:
            parts.append(NoneOf(tuple(each.condition(letter, resource_type) for each in inner)))
        return AllOf(tuple(parts))


def effect_of(rule: Provision, patient: str, party: Party) -> Effect | None:
    """What a provision means for this party; `None` when it does not concern them, or permits nothing that can be decided."""
    if (rule.low is not None and party.now < rule.low) or (rule.high is not None and party.now >= rule.high):
        return None
    if rule.actors and not any(actor in party.actors for actor in rule.actors):
        return None
    # A purpose is what the caller says it is: none that is said gets around a denial of treatment.
    said = party.purposes if rule.permit else {*party.purposes, *TREATMENT}
    if rule.purposes and not any(purpose in said for purpose in rule.purposes):
        return None
    if rule.vague and rule.permit:
        return None
    inner = (effect_of(each, patient, party) for each in rule.exceptions if each.permit is not rule.permit)
    exceptions = tuple(each for each in inner if each is not None)
    if rule.vague:
        return Effect(patient, False, exceptions=exceptions)
    return Effect(patient, rule.permit, rule.letters, rule.types, rule.labels, rule.names, exceptions)


def boundaries(rule: Provision) -> Iterable[int]:
    """The times at which it starts or stops to mean something."""
    yield from (each for each in (rule.low, rule.high) if each is not None)
    for inner in rule.exceptions:
        yield from boundaries(inner)


def any_of(conditions: Iterable[Condition]) -> Condition:
    """At least one of them."""
    found = tuple(conditions)
    return found[0] if len(found) == 1 else AnyOf(found)
