"""Patients as `$match` compares them: https://hl7.org/fhir/R4/patient-operation-match.html

Texts are compared in the form the index has them in, so that whoever a lookup finds by name also agrees by name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from domain.identity import FhirJson
from domain.reading import Person
from fhir_mapping.search_values.string import MAX_PREFIX, normalised

_SPECIAL = str.maketrans({sign: f"\\{sign}" for sign in "\\,$|"})
_FEW = 5
Pairs = list[tuple[str, str]]


def person_of(patient: FhirJson) -> Person:
    """What the patient is told apart by; old names and numbers count too."""
    names = _objects(patient, "name")
    return Person(
        identifiers=frozenset((each["system"], each["value"]) for each in _identifiers(patient)),
        family=_texts(name.get("family") for name in names),
        given=_texts(given for name in names for given in name.get("given", ())),
        birth_date=_present(patient.get("birthDate")),
        gender=_present(patient.get("gender")),
        telecom=frozenset(_reachable(each) for each in _objects(patient, "telecom") if "value" in each),
        postal_code=_texts(each.get("postalCode") for each in _objects(patient, "address")),
    )


def lookups_of(patient: FhirJson) -> list[Pairs]:
    """Searches that each ask for one identifier, or for two facts that seldom agree by chance."""
    found: list[Pairs] = []
    identifiers = [f"{_escaped(each['system'])}|{_escaped(each['value'])}" for each in _identifiers(patient)]
    if identifiers:
        found.append([("identifier", ",".join(identifiers[:_FEW]))])
    person = person_of(patient)
    family, given = sorted(person.family)[:_FEW], sorted(person.given)[:_FEW]
    birth, telecom = sorted(person.birth_date), sorted(person.telecom)[:_FEW]
    facts = {"family": family, "given": given, "birthdate": birth}
    found += [
        [(name, ",".join(map(_escaped, facts[name]))) for name in pair]
        for pair in (("family", "given"), ("family", "birthdate"), ("given", "birthdate"))
        if all(facts[name] for name in pair)
    ]
    if telecom:
        found.append([("telecom", ",".join(map(_escaped, telecom)))])
    return found


def _objects(patient: FhirJson, name: str) -> list[dict[str, Any]]:
    return [each for each in patient.get(name, ()) if isinstance(each, dict)]


def _identifiers(patient: FhirJson) -> list[dict[str, str]]:
    """Identifiers that identify: of a system, and not marked as old."""
    found = _objects(patient, "identifier")
    return [each for each in found if each.get("system") and each.get("value") and each.get("use") != "old"]


def _texts(values: Iterable[str | None]) -> frozenset[str]:
    return frozenset(form[:MAX_PREFIX] for value in values if value and (form := normalised(value)))


def _present(value: str | None) -> frozenset[str]:
    return frozenset() if value is None else frozenset((value,))


def _reachable(telecom: dict[str, Any]) -> str:
    text = str(telecom["value"]).casefold()
    digits = "".join(c for c in text if c.isdigit() or c == "+")
    return digits if telecom.get("system") in ("phone", "sms", "fax") and digits else text


def _escaped(text: str) -> str:
    return text.translate(_SPECIAL)
