"""What resources state about who is related to whom, as `domain.ties.Tie`: read from each type's own elements, as data.

https://hl7.org/fhir/R4/careteam.html, https://hl7.org/fhir/R4/relatedperson.html. Only what is in force gives a tie: an
inactive team, a finished encounter or a revoked consent gives none. Its period is kept, and decides at each request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from domain.identity import FhirJson, ResourceKey
from domain.ties import Bond, Tie
from fhir_mapping.access_facets import reference_name, references_at, values_at
from fhir_mapping.consents import consent_ties
from fhir_mapping.search_values.moments import Interval, date_value, period

MAX_TIES = 500
"""A resource that names more states nothing: nobody is let in by a list that nobody reads."""
_STAFF = ("Practitioner/", "PractitionerRole/", "Organization/")


class Rule(NamedTuple):
    """Which elements of a type name the actors, in which bond, and when the resource is in force.

    `inside` is the backbone element of one actor with a `period` of its own; `around` the element of the whole's period.
    """

    bond: Bond
    actor: str
    status: frozenset[str] | None = None
    inside: str = ""
    around: str = "period"
    actors: tuple[str, ...] = _STAFF


_RULES: Mapping[str, Sequence[Rule]] = {
    "CareTeam": (Rule("team", "member", frozenset({"active"}), "participant"),),
    "Encounter": (
        Rule(
            "team",
            "individual",
            frozenset({"planned", "arrived", "triaged", "in-progress", "onleave"}),
            "participant",
        ),
    ),
    "Appointment": (
        Rule(
            "team",
            "actor",
            frozenset({"pending", "booked", "arrived", "checked-in", "fulfilled"}),
            "participant",
            around="end",
            actors=("Practitioner/", "PractitionerRole/"),
        ),
    ),
    "Patient": (
        Rule("team", "generalPractitioner", around=""),
        Rule("org", "managingOrganization", around="", actors=("Organization/",)),
    ),
    "ServiceRequest": (Rule("lab", "performer", frozenset({"active", "on-hold"}), around=""),),
    "MedicationRequest": (Rule("rx", "performer", frozenset({"active", "on-hold"}), "dispenseRequest", around=""),),
}
"""Bonds with the patients of a resource."""
_PLACES: Mapping[str, Sequence[tuple[Bond, str, str | None]]] = {
    "PractitionerRole": (
        ("place", "organization", "practitioner"),
        ("place", "organization", "location"),
        ("place", "organization", None),
        ("role", "practitioner", None),
    ),
    "Location": (("place", "managingOrganization", None),),
    "HealthcareService": (("place", "providedBy", None),),
    "Schedule": (("place", "actor", None),),
}
"""Bonds with something else: the element of the actor, and that of what it is about (`None`: the resource itself)."""


def ties_of(content: FhirJson, key: ResourceKey, patients: Sequence[str], base: str | None) -> tuple[Tie, ...]:
    """The ties a checked resource states, each once. `patients` are those whose compartment it is in."""
    make = _MAKERS.get(key.type)
    if make is None:
        return ()
    found = dict.fromkeys(make(content, key, patients, base))
    return tuple(found) if len(found) <= MAX_TIES else ()


def _treating(content: FhirJson, key: ResourceKey, patients: Sequence[str], base: str | None) -> Iterator[Tie]:
    for rule in _RULES[key.type]:
        if rule.status is not None and content.get("status") not in rule.status:
            continue
        whole = _around(content, rule.around)
        for part in values_at(content, rule.inside) if rule.inside else [content]:
            own = period(part["period"]) if rule.inside and "period" in part else None
            low, high = common(whole, own or (None, None))
            if rule.inside == "participant" and part.get("status") == "declined":
                continue
            for actor in references_at(part, rule.actor, base):
                if actor.startswith(rule.actors):
                    yield from (Tie(actor, rule.bond, patient, low, high) for patient in patients)


def _proxy(content: FhirJson, key: ResourceKey, patients: Sequence[str], _base: str | None) -> Iterator[Tie]:
    if content.get("active") is not False:
        low, high = _around(content, "period")
        yield from (Tie(str(key), "proxy", patient, low, high) for patient in patients)


def _places(content: FhirJson, key: ResourceKey, _patients: Sequence[str], base: str | None) -> Iterator[Tie]:
    if content.get("active") is False or content.get("status") == "inactive":
        return
    low, high = _around(content, "period")
    for bond, element, about in _PLACES[key.type]:
        for actor in references_at(content, element, base):
            names = [str(key)] if about is None else references_at(content, about, base)
            yield from (Tie(actor, bond, name, low, high) for name in names)


def _consent(content: FhirJson, _key: ResourceKey, _patients: Sequence[str], base: str | None) -> Iterator[Tie]:
    patient = reference_name(content.get("patient"), base)
    if patient is not None and patient.startswith("Patient/"):
        yield from consent_ties(content, patient.removeprefix("Patient/"), base)


def _around(content: FhirJson, element: str) -> Interval:
    """When the whole is in force. Of an appointment that is: until it ends."""
    value: Any = content.get(element) if element else None
    if isinstance(value, dict):
        return period(value) or (None, None)
    end = date_value(value) if isinstance(value, str) else None
    return None, end[1] if end else None


def common(one: Interval, other: Interval) -> Interval:
    """The interval that lies in both."""
    lows = [low for low in (one[0], other[0]) if low is not None]
    highs = [high for high in (one[1], other[1]) if high is not None]
    return max(lows, default=None), min(highs, default=None)


_MAKERS: Mapping[str, Callable[[FhirJson, ResourceKey, Sequence[str], str | None], Iterator[Tie]]] = {
    **dict.fromkeys(_RULES, _treating),
    **dict.fromkeys(_PLACES, _places),
    "RelatedPerson": _proxy,
    "Consent": _consent,
}
