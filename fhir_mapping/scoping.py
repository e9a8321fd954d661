"""A patient and a value in one term: how the most common queries become a single look-up.

`Observation?patient=1&code=X` would start from all resources of the patient or all with the code, and look at each. Every
resource of a patient therefore also carries terms of both together (`filing.scoped_term`), and a query that names both is
asked in these words. A term of the patient alone serves everything else of a patient in order of date.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.search import AnyTerm, Condition, IndexTerm
from fhir_mapping.filing import scoped_term
from fhir_mapping.search_parameters import parameters_of

MOST_TERMS = 200
_FORMS = ("c|", "sc|")


def scoped(resource_type: str, conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    """The same conditions, with the patient and the rarest coded value as one where both are there."""
    found = next(((at, ids) for at, each in enumerate(conditions) if (ids := _patients(resource_type, each))), None)
    if found is None:
        return tuple(conditions)
    at, patients = found
    rest = [each for number, each in enumerate(conditions) if number != at]
    coded = [each for each in rest if isinstance(each, AnyTerm) and _is_coded(resource_type, each, len(patients))]
    best = min(coded, key=lambda each: each.rank, default=None)
    values: Sequence[str] = ("",) if best is None else best.terms
    terms = tuple(scoped_term(patient, value) for patient in patients for value in values)
    return (AnyTerm(terms, rank=1, shelf="scoped"), *(each for each in rest if each is not best))


def _patients(resource_type: str, condition: Condition) -> list[str]:
    """The patients of a condition that asks for nothing else, by a parameter that says whose the resource is."""
    if not isinstance(condition, AnyTerm) or condition.negated or condition.shelf != "terms":
        return []
    parts = [term.split("|", 2) for term in condition.terms]
    codes = {code for code, _, _ in parts}
    if len(codes) != 1 or len(parts) > MOST_TERMS or not _names_patient(resource_type, codes.pop()):
        return []
    patients = [text for _, form, text in parts if form == "ref" and text.startswith("Patient/")]
    return patients if len(patients) == len(parts) else []


def _names_patient(resource_type: str, code: str) -> bool:
    """Whether the parameter is `patient`, or one that `patient` only filters (`subject`)."""
    parameters = parameters_of(resource_type)
    patient = parameters.get("patient")
    if patient is None or not patient.routes:
        return False
    if code == "patient":
        return True
    own = parameters[code].routes if code in parameters else ()
    steps = {tuple(step for step in route.steps if isinstance(step, str)) for route in patient.routes}
    return bool(own) and {route.steps for route in own or ()} == steps


def _is_coded(resource_type: str, condition: AnyTerm, patients: int) -> bool:
    if condition.negated or condition.shelf != "terms" or len(condition.terms) * patients > MOST_TERMS:
        return False
    return all(_is_scoped_term(resource_type, term) for term in condition.terms)


def _is_scoped_term(resource_type: str, term: IndexTerm) -> bool:
    code, _, rest = term.partition("|")
    parameter = parameters_of(resource_type).get(code)
    return parameter is not None and parameter.scoped and rest.startswith(_FORMS)
