"""Whose record a resource belongs to: https://hl7.org/fhir/R4/compartmentdefinition-patient.html

A resource belongs to the compartment of every patient that a parameter of the official definition points at. At most
one of them owns it: the patient whose key seals it and whose erasure destroys it. That is the patient itself, or the
one patient it is *about* (`patient`, `subject` …); failing that the only patient with any part in it. A resource about
several patients (a Group, a shared Appointment) belongs to nobody alone: erasing one must not destroy what others rely
on, so it is sealed with the directory key.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import NamedTuple

import msgspec

from domain.identity import FhirJson, parse_reference
from fhir_mapping.extraction import Plan
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
    about: dict[str, None] = {resource_id: None} if resource_type == "Patient" else {}
    others: dict[str, None] = {}
    for readers, value in _plan(resource_type).values(content):
        patient = _patient(value, base)
        if patient is not None:
            (about if readers[0] and resource_type != "Patient" else others)[patient] = None
    deciding = about or others
    owner = next(iter(deciding)) if len(deciding) == 1 else None
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
    for code in sorted(_definition().get(resource_type, ()), key=lambda code: code not in _ABOUT):
        for route in parameters[code].routes or ():
            plan.add(route, code in _ABOUT)
    return plan


@cache
def _definition() -> dict[str, list[str]]:
    text = files("fhir_mapping").joinpath("definitions", "compartments.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, dict[str, list[str]]])["Patient"]
