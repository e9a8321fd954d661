"""The readers of a plan: what each files of a value when a resource is described.

A reader is called once for each value at its route and adds to `Filed`; one that meets a value it cannot use adds
nothing. NOTE: what is filed is stored (as tokens and ranges); changing it orphans index entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from domain.revision import Range
from domain.search import IndexTerm, term
from fhir_mapping.composites import Instance, joined, kind_of
from fhir_mapping.extraction import Plan, Route
from fhir_mapping.search_values import moments, quantity, reference, token
from fhir_mapping.search_values.forms import MARKS, Form, Forms

_SCOPED_FORMS = frozenset({"c", "sc"})
EVERYTHING = ""


class Filed:
    """What has been found in one resource so far; each term once, in order."""

    __slots__ = ("marks", "moment", "patients", "ranges", "scoped_values", "terms")

    def __init__(self) -> None:
        self.terms: dict[IndexTerm, None] = {}
        self.marks: dict[IndexTerm, None] = {}
        self.scoped_values: dict[str, None] = {}
        self.patients: dict[str, None] = {}
        self.moment: tuple[int | None, int | None] | None = None
        self.ranges: list[Range] = []

    @property
    def size(self) -> int:
        return len(self.terms) + len(self.marks) + len(self.ranges)

    def scoped(self, owner: str | None) -> tuple[IndexTerm, ...]:
        """A term for the resource itself and one for each coded value; none unless it says that it is about `owner`."""
        if owner is None or list(self.patients) != [f"Patient/{owner}"]:
            return ()
        return tuple(map(scoped_term, (EVERYTHING, *self.scoped_values)))


def scoped_term(value: str) -> IndexTerm:
    """A value (`code|form|text`, or `EVERYTHING`) of a resource that has a patient, looked up together with the patient."""
    return IndexTerm(f"&|{value}")


class Reader(Protocol):
    """Files what one value gives."""

    def file(self, value: Any, filed: Filed) -> None: ...


class TermReader:
    """Terms of one parameter. `scoped`: also together with the patient; `patient`: this is who the patient is."""

    __slots__ = ("_code", "_patient", "_present", "_read", "_scoped")

    def __init__(self, read: Callable[[Any], Forms], code: str, *, scoped: bool = False, patient: bool = False) -> None:
        self._read = read
        self._code = code
        self._present = term(code, "present", "")
        self._scoped = scoped
        self._patient = patient

    def file(self, value: Any, filed: Filed) -> None:
        code, terms = self._code, filed.terms
        filed.marks[self._present] = None
        for name, text in self._read(value):
            found = IndexTerm(f"{code}|{name}|{text}")
            if name in MARKS:
                filed.marks[found] = None
                continue
            terms[found] = None
            if self._scoped and name in _SCOPED_FORMS:
                filed.scoped_values[found] = None
            elif self._patient and name == "ref" and text.startswith("Patient/"):
                filed.patients[text] = None


class MomentReader:
    """Intervals of a date element; `leads`: they are the moment of the resource."""

    __slots__ = ("_leads", "_path", "_read")

    def __init__(self, read: Callable[[Any], moments.Interval | None], path: str, *, leads: bool) -> None:
        self._read = read
        self._path = path
        self._leads = leads

    def file(self, value: Any, filed: Filed) -> None:
        interval = self._read(value)
        if interval is None:
            return
        if self._leads:
            filed.moment = interval
        else:
            filed.ranges.append(Range(self._path, *interval))


class MeasureReader:
    """Intervals of a number or quantity element."""

    __slots__ = ("_path", "_read")

    def __init__(self, read: Callable[[Any], list[quantity.Measure]], path: str) -> None:
        self._read = read
        self._path = path

    def file(self, value: Any, filed: Filed) -> None:
        filed.ranges += measured(self._read(value), self._path, ())


def measured(measures: list[quantity.Measure], path: str, keys: tuple[IndexTerm, ...]) -> Iterator[Range]:
    """The ranges of a quantity, with the keys of what it belongs to."""
    for measure in measures:
        yield Range(
            quantity.places(path, measure),
            measure.low,
            measure.high,
            (*keys, *(term("unit", *form) for form in measure.keys)),
        )


class CompositeReader:
    """The components of one element instance: a term for each pair of forms, or ranges with the code as a key."""

    __slots__ = ("_instance", "_pairs", "_plan")

    def __init__(self, instance: Instance, *, pairs: bool, base: str | None) -> None:
        self._instance = instance
        self._pairs = pairs
        self._plan: Plan[tuple[int, str, Callable[[Any], Any]]] = Plan()
        references = reference.forms_by_type(base)
        for number, routes in enumerate((instance.first, instance.second)):
            for route in routes:
                read = _component_reader(route, references)
                self._plan.add(Route(route.steps, route.type), (number, joined(instance, route), read))

    def file(self, value: Any, filed: Filed) -> None:
        found: tuple[list[Any], list[Any]] = ([], [])
        for readers, inner in self._plan.values(value):
            for number, path, read in readers:
                found[number].append((path, read(inner)))
        if not found[0] or not found[1]:
            if not self._pairs:  # A value without a code still has its range.
                for path, measures in found[1]:
                    filed.ranges += measured(measures, path, ())
            return
        codes = [form for _, forms in found[0] for form in forms if form[0] not in MARKS]
        for path, second in found[1]:
            if not self._pairs:
                filed.ranges += measured(second, path, tuple(term("key", *form) for form in codes))
                continue
            for form in second:
                if form[0] not in MARKS:
                    filed.terms.update((pair_term(self._instance, first, form), None) for first in codes)


def pair_term(instance: Instance, first: Form, second: Form) -> IndexTerm:
    """Two coded values of one instance."""
    return term(instance.pair, f"{first[0]}+{second[0]}", f"{first[1]}\n{second[1]}")


def _component_reader(route: Route, references: dict[str, Callable[[Any], Forms]]) -> Callable[[Any], Any]:
    match kind_of(route):
        case "quantity":
            return quantity.READERS[route.type]
        case "number":
            return quantity.number_measures
        case "reference":
            return references[route.type]
    return token.FORMS[route.type]
