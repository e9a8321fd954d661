"""A patient and a value in one condition: how the most common queries become a single look-up.

`Observation?patient=1&code=X` would start from all resources of the patient or all with the code, and look at each. The
coded values of a resource about one patient are therefore also filed where the index goes on with that patient
(`filing.scoped_term`), and a query that names both is asked there: for one patient, for the hundreds a chain selected, or
for anybody (`_has`). A term of the resource itself serves everything else of a patient in order of date.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.search import AnyTerm, Condition, OfPatients, term
from fhir_mapping.compartments import says_whose
from fhir_mapping.filing import EVERYTHING, scoped_term
from fhir_mapping.search_parameters import parameters_of

MOST_PATIENTS, MOST_TERMS = 100_000, 200
FEW = 20
"""Up to so many patients are rarer than a code; what hundreds have is slower to go through than what most codes select."""
MANY = 1_000
"""From here on they select so much that an order that was asked for is better walked."""
_FORMS = ("c|", "sc|")


def scoped(resource_type: str, conditions: Sequence[Condition], *, anybody: bool = False) -> tuple[Condition, ...]:
    """The same conditions, with the patient and the rarest coded value as one where both are there.

    `anybody`: the rarest coded value, in resources about whatever patient.
    """
    about, patients = _about(resource_type, conditions)
    if about is None and not (anybody and says_whose(resource_type, "patient")):
        return tuple(conditions)
    rest = [each for each in conditions if each is not about]
    coded = [each for each in rest if isinstance(each, AnyTerm) and _is_coded(resource_type, each)]
    best = min(coded, key=lambda each: each.rank, default=None)
    if best is None and patients is None:
        return tuple(conditions)
    values: Sequence[str] = (EVERYTHING,) if best is None else best.terms
    few = patients is not None and len(patients) <= FEW
    rank = 1 if few else 3 if best is not None else 6 if patients is None or len(patients) <= MANY else 7
    both = OfPatients(patients, tuple(map(scoped_term, values)), rank)
    return (both, *(each for each in rest if each is not best))


def _about(
    resource_type: str, conditions: Sequence[Condition]
) -> tuple[Condition, tuple[str, ...]] | tuple[None, None]:
    """The first condition that names patients, and these."""
    for condition in conditions:
        patients = _patients(resource_type, condition)
        if patients:
            return condition, patients
    return None, None


def _patients(resource_type: str, condition: Condition) -> tuple[str, ...]:
    """The patients of a condition that asks for nothing else, by a parameter that says whose the resource is."""
    if not isinstance(condition, AnyTerm) or condition.negated or condition.shelf != "terms":
        return ()
    if not condition.terms or len(condition.terms) > MOST_PATIENTS:
        return ()
    code = condition.terms[0].partition("|")[0]
    if not says_whose(resource_type, code):
        return ()
    start = term(code, "ref", "Patient/")
    named = [text[len(start) :] for text in condition.terms if text.startswith(start)]
    return tuple(named) if len(named) == len(condition.terms) else ()


def _is_coded(resource_type: str, condition: AnyTerm) -> bool:
    if condition.negated or condition.shelf != "terms" or len(condition.terms) > MOST_TERMS:
        return False
    known = parameters_of(resource_type)
    for text in condition.terms:
        code, _, rest = text.partition("|")
        parameter = known.get(code)
        if parameter is None or not parameter.scoped or not rest.startswith(_FORMS):
            return False
    return True
