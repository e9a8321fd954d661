"""Searches with known answers: values sampled from what a server holds, counted by brute force.

Sampling is the same for the same data, so that two runs ask the same.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple
from urllib.parse import quote

from api.bench.engine import Session, Wrong
from api.bench.people import LOINC
from api.bench.records import Records
from api.bench.shapes import SHAPES, Shape, at
from domain.identity import FhirJson

COUNT = 20
VALUES = 6
"""Values of each shape, besides the one that never matches."""
MOST_QUESTIONS = 500


class Question(NamedTuple):
    """A search and the ids of everything it has to find."""

    path: str
    ids: frozenset[str]

    @property
    def shown(self) -> int:
        """Matches on the first page."""
        return min(len(self.ids), COUNT)


def path_of(resource_type: str, ask: str, value: str) -> str:
    written = quote(value, safe=":|,$/&=")
    return f"/{resource_type}?{ask.format(written)}&_count={COUNT}"


async def of_family(records: Records, session: Session, family: str) -> list[Question]:
    """The questions of a family of search30. Raises `Wrong` for a shape that the data knows no value of."""
    shapes = [shape for shape in SHAPES if shape.family == family]
    found: list[Question] = []
    for name in dict.fromkeys(shape.type for shape in shapes):
        mine = [shape for shape in shapes if shape.type == name]
        columns: list[list[tuple[str, list[Any]]]] = [[] for _ in mine]
        for resource in await records.of(session, name):
            for shape, column in zip(mine, columns, strict=True):
                values = list(shape.read(resource))
                if values:
                    column.append((resource["id"], values))
        for number, (shape, column) in enumerate(zip(mine, columns, strict=True)):
            found += _asked(shape, column, session)
            session.told(f"counting {family} searches of {name}", number + 1, len(mine))
    return found


def _asked(shape: Shape, column: Sequence[tuple[str, list[Any]]], session: Session) -> list[Question]:
    pick = random.Random(shape.ask)  # noqa: S311 the same data are asked the same
    texts: dict[str, None] = {}
    for _ in range(50 * VALUES if column else 0):
        text = shape.meaning.text(pick.choice(pick.choice(column)[1]))
        if text is not None and len(texts) < VALUES:
            texts[text] = None
    if not texts:
        session.wrong[f"no value for {shape.type}?{shape.ask}"] += 1
        raise Wrong
    seen = [(name, list(map(shape.meaning.seen, values))) for name, values in column]
    asked = []
    for text in (*texts, *([shape.never] if shape.never else [])):
        test = shape.meaning.test(text)
        ids = frozenset(name for name, values in seen if any(map(test, values)))
        asked.append(Question(path_of(shape.type, shape.ask, text), ids))
    return asked


async def by_name(records: Records, session: Session) -> list[Question]:
    """`Patient?name=` of family names with two to five hits."""
    names = next(shape for shape in SHAPES if shape.ask == "name={}")
    bearers: dict[str, set[str]] = {}
    column = []
    for patient in await records.of(session, "Patient"):
        column.append((patient["id"], list(map(names.meaning.seen, names.read(patient)))))
        for family in at("name.family")(patient):
            bearers.setdefault(family, set()).add(patient["id"])
    few = sorted(name for name, ids in bearers.items() if 2 <= len(ids) <= 5 and names.meaning.text(name))
    found = []
    for family in random.Random(1).sample(few, min(len(few), MOST_QUESTIONS)):  # noqa: S311
        test = names.meaning.test(family)
        ids = frozenset(name for name, values in column if any(map(test, values)))
        if len(ids) <= 5:
            found.append(Question(path_of("Patient", names.ask, family), ids))
    return _some(found, "family names of two to five people", session)


async def by_patient_and_code(records: Records, session: Session) -> list[Question]:
    """`Observation?patient=&code=` of pairs that there are."""
    pairs: dict[tuple[str, str], set[str]] = {}
    for each in await records.of(session, "Observation"):
        for subject, code in _pairs(each):
            pairs.setdefault((subject, code), set()).add(each["id"])
    found = []
    for subject, code in random.Random(1).sample(sorted(pairs), min(len(pairs), MOST_QUESTIONS)):  # noqa: S311
        path = path_of("Observation", "patient={}", f"{subject}&code={LOINC}|{code}")
        found.append(Question(path, frozenset(pairs[subject, code])))
    return _some(found, "observations of a patient", session)


def _pairs(observation: FhirJson) -> Iterable[tuple[str, str]]:
    subjects = [each for each in at("subject.reference")(observation) if each.startswith("Patient/")]
    codes = [each["code"] for each in at("code.coding")(observation) if each.get("system") == LOINC]
    return chain.from_iterable(((subject, code) for code in codes) for subject in subjects)


def _some(found: list[Question], what: str, session: Session) -> list[Question]:
    if not found:
        session.wrong[f"no {what}"] += 1
        raise Wrong
    return found
