"""Which resources are sensitive by their codes: the labels a write receives by rule.

https://hl7.org/fhir/R4/security-labels.html. `definitions/sensitivity.json` holds the code sets (mental health, substance
use, HIV, sexual health, violence) and where they come from. Each also makes the resource restricted (`R`). The sets are
a floor, not a judgement: what they miss a clinician labels.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec

from domain.identity import FhirJson
from domain.labels import RESTRICTED, sensitive
from fhir_mapping.access_facets import values_at

_PATHS: dict[str, tuple[str, ...]] = {
    "Condition": ("code",),
    "DiagnosticReport": ("code", "conclusionCode"),
    "Encounter": ("reasonCode",),
    "MedicationAdministration": ("medicationCodeableConcept", "reasonCode"),
    "MedicationDispense": ("medicationCodeableConcept",),
    "MedicationRequest": ("medicationCodeableConcept", "reasonCode"),
    "MedicationStatement": ("medicationCodeableConcept", "reasonCode"),
    "Observation": ("code", "valueCodeableConcept"),
    "Procedure": ("code", "reasonCode"),
    "ServiceRequest": ("code", "reasonCode"),
}
"""Elements whose codes say what a resource is about."""


class _Sets(msgspec.Struct):
    source: str
    prefixes: dict[str, dict[str, list[str]]]
    codes: dict[str, dict[str, list[str]]]


def sensitivity_of(content: FhirJson, resource_type: str) -> tuple[str, ...]:
    """The labels (`system|code`) that the codes of a checked resource call for, sorted; none for most."""
    found: set[str] = set()
    for path in _PATHS.get(resource_type, ()):
        for coding in values_at(content, f"{path}.coding"):
            found.update(_labels(coding.get("system", ""), coding.get("code", "")))
    return tuple(sorted(found))


@cache
def _sets() -> tuple[dict[tuple[str, str], str], dict[str, dict[str, str]]]:
    text = files("fhir_mapping").joinpath("definitions", "sensitivity.json").read_bytes()
    read = msgspec.json.decode(text, type=_Sets)
    codes = {
        (system, code): label
        for system, by_label in read.codes.items()
        for label, listed in by_label.items()
        for code in listed
    }
    prefixes = {
        system: {start: label for label, listed in by_label.items() for start in listed}
        for system, by_label in read.prefixes.items()
    }
    return codes, prefixes


def _labels(system: str, code: str) -> tuple[str, ...]:
    codes, prefixes = _sets()
    label = codes.get((system, code))
    starts = prefixes.get(system)
    if label is None and starts is not None:
        # The longest beginning decides: F52 is sexual health, F5 mental health.
        label = next((starts[code[:size]] for size in range(min(len(code), 6), 1, -1) if code[:size] in starts), None)
    return () if label is None else (sensitive(label), RESTRICTED)
