"""Whose record a resource belongs to: https://hl7.org/fhir/R4/compartmentdefinition-patient.html

A resource belongs to the compartment of every patient that a parameter of the official definition points at. At most
one of them owns it: the patient whose key seals it and whose erasure destroys it. That is the patient itself, or the
one patient it is *about* (`patient`, `subject` …); failing that the only patient with any part in it. A resource about
several patients (a Group, a shared Appointment), or about somebody else's, belongs to nobody alone: erasing one must not
destroy what others rely on, so it is sealed with the directory key.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import NamedTuple

import msgspec

from domain.errors import InvalidRequest, NotFound
from domain.identity import FhirJson, ResourceKey, parse_reference
from domain.search import AnyTerm, Condition, IdIn, PatientIn, term
from fhir_mapping.attachments import owner_of_binary
from fhir_mapping.extraction import Plan, Route, is_single
from fhir_mapping.fhirpath import target_type
from fhir_mapping.search_parameters import parameters_of
from fhir_mapping.tables import RESOURCE_TYPES

_ABOUT = frozenset({"patient", "subject", "beneficiary", "individual"})
"""Parameters that say whom a resource is about; the others say who took part."""


class Membership(NamedTuple):
    """`owner` is the id of the patient whose key seals the resource, `patients` all whose compartment it is in."""

    owner: str | None
    patients: tuple[str, ...]


def membership_of(content: FhirJson, resource_type: str, resource_id: str, base: str | None) -> Membership:
    """The patients of a checked resource. `base` is our own base URL: absolute references under it are ours."""
    if resource_type == "Binary":
        owner = owner_of_binary(content)
        return Membership(owner, () if owner is None else (owner,))
    about: dict[str, None] = {resource_id: None} if resource_type == "Patient" else {}
    others: dict[str, None] = {}
    foreign = False
    for readers, value in _plan(resource_type).values(content):
        patient = _patient(value, base)
        if patient is not None:
            (about if readers[0] and resource_type != "Patient" else others)[patient] = None
        elif readers[0] and target_type(value) == "Patient":
            foreign = True
    deciding = about or others
    owner = next(iter(deciding)) if len(deciding) == 1 and not foreign else None
    return Membership(owner, tuple(dict.fromkeys((*about, *others))))


def _patient(value: object, base: str | None) -> str | None:
    """The id of the patient of ours that a Reference points at."""
    text = value.get("reference") if isinstance(value, dict) else None
    if text is None:
        return None
    if text.startswith("Patient/") and "/" not in text[8:]:
        return str(text[8:])
    literal = parse_reference(text)
    if literal is None or literal.key.type != "Patient" or literal.base not in (None, base):
        return None
    return literal.key.id


@cache
def _plan(resource_type: str) -> Plan[bool]:
    """Reads the references that decide membership; a reader is whether they say whom the resource is about."""
    plan: Plan[bool] = Plan()
    if resource_type not in RESOURCE_TYPES:
        return plan
    parameters = parameters_of(resource_type)
    for code in sorted(_definitions()["Patient"].get(resource_type, ()), key=lambda code: code not in _ABOUT):
        for route in parameters[code].routes or ():
            plan.add(route, code in _ABOUT)
    return plan


@cache
def owning_parameter(resource_type: str, code: str) -> str | None:
    """The parameter whose presence tells that a resource's owner is the patient `code` points at; `None` if none does.

    `subject` may point at a device too: it is `patient`, the same element where it points at a patient, that tells.
    """
    parameters = parameters_of(resource_type)
    for candidate in (code, "patient"):
        found = parameters.get(candidate)
        if found is None or found.targets != ("Patient",) or code not in _ABOUT | {"patient"}:
            continue
        places = {steps_of(route) for route in parameters[code].routes or ()}
        deciding = {
            steps_of(route)
            for about in _definitions()["Patient"].get(resource_type, ())
            if about in _ABOUT
            for route in parameters[about].routes or ()
        }
        if {steps_of(route) for route in found.routes or ()} == places == deciding:
            return candidate
    return None


@cache
def says_whose(resource_type: str, code: str) -> bool:
    """Whether `code` reads the one element, at most one value, that `patient` reads too and that tells the owner.

    Then every resource whose reference `code` points at a patient here is owned by that patient, and by nobody otherwise.
    """
    if owning_parameter(resource_type, code) is None or owning_parameter(resource_type, "patient") != "patient":
        return False
    return all(is_single(resource_type, route) for route in parameters_of(resource_type)[code].routes or ())


def steps_of(route: Route) -> tuple[str, ...]:
    """The element a route ends at, whatever filters it has on the way."""
    return tuple(step for step in route.steps if isinstance(step, str))


def within(compartment: ResourceKey, resource_type: str) -> Condition:
    """The condition of being in a compartment: https://hl7.org/fhir/R4/compartmentdefinition.html

    Raises `NotFound` for a kind of compartment that does not exist, `InvalidRequest` for a type that it never holds.
    """
    kinds = _definitions()
    if compartment.type not in kinds:
        raise NotFound(f"There is no {compartment.type} compartment", code="not-supported")
    codes = kinds[compartment.type].get(resource_type)
    if resource_type == compartment.type != "Patient":
        return IdIn((compartment.id,))
    if codes is None:
        raise InvalidRequest(
            f"A {compartment.type} compartment holds no {resource_type} resources", code="not-supported"
        )
    if compartment.type == "Patient":
        return PatientIn((compartment.id,))
    return AnyTerm(tuple(term(code, "ref", str(compartment)) for code in codes), rank=3)


def types_within(kind: str) -> tuple[str, ...]:
    """The resource types a compartment may hold, sorted. Raises `NotFound` for a kind that does not exist."""
    if kind not in _definitions():
        raise NotFound(f"There is no {kind} compartment", code="not-supported")
    return tuple(sorted({kind, *_definitions()[kind]}))


@cache
def _definitions() -> dict[str, dict[str, list[str]]]:
    text = files("fhir_mapping").joinpath("definitions", "compartments.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, dict[str, list[str]]])
