"""A patient and a value in one condition: how the most common queries become a single look-up.

`Observation?patient=1&code=X` would start from all resources of the patient or all with the code, and look at each. The
coded values of a resource about one patient are therefore also filed where the index goes on with that patient
(`filing.scoped_term`), and a query that names both is asked there: for one patient, for the hundreds a chain selected, or
for anybody (`_has`). A term of the resource itself serves everything else of a patient in order of date.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.search import AnyTerm, Condition, IndexTerm, OfPatients, term
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
    found = next(((at, ids) for at, each in enumerate(conditions) if (ids := _patients(resource_type, each))), None)
    if found is None and not (anybody and says_whose(resource_type, "patient")):
        return tuple(conditions)
    at, patients = found or (None, None)
    rest = [each for number, each in enumerate(conditions) if number != at]
    coded = [each for each in rest if isinstance(each, AnyTerm) and _is_coded(resource_type, each)]
    best = min(coded, key=lambda each: each.rank, default=None)
    if best is None and patients is None:
        return tuple(conditions)
    values: Sequence[str] = (EVERYTHING,) if best is None else best.terms
    few = patients is not None and len(patients) <= FEW
    rank = 1 if few else 3 if best is not None else 6 if patients is None or len(patients) <= MANY else 7
    both = OfPatients(patients, tuple(map(scoped_term, values)), rank)
    return (both, *(each for each in rest if each is not best))


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
    return all(_is_scoped_term(resource_type, term) for term in condition.terms)


def _is_scoped_term(resource_type: str, term: IndexTerm) -> bool:
    code, _, rest = term.partition("|")
    parameter = parameters_of(resource_type).get(code)
    return parameter is not None and parameter.scoped and rest.startswith(_FORMS)
