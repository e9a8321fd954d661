"""What the store in memory keeps of a version: itself and its description."""

from __future__ import annotations

import math
from typing import NamedTuple

from domain.matching import holds
from domain.revision import Change, Description, Head, Stored
from domain.search import Condition


class Row(NamedTuple):
    """One version with its description; `handle` of the stored version is its content. `place` counts creations."""

    stored: Stored
    description: Description
    place: int = 0

    def satisfies(self, condition: Condition) -> bool:
        return holds(condition, self.stored.head, self.description)

    @property
    def low(self) -> int | float | None:
        moment = self.description.moment
        return None if moment is None else -math.inf if moment[0] is None else moment[0]


def row_of(change: Change, place: int, author: str) -> Row:
    """The version that a change makes; a deletion keeps whose it was."""
    revision = change.revision
    description = change.description or Description()
    patient, labels = description.patient, description.labels
    patients, facets = description.patients, description.facets
    if revision.content is None and change.base is not None:
        base = change.base.head
        patient, labels, patients, facets = base.patient, base.labels, base.patients, base.facets
    head = Head(
        key=revision.key,
        version=revision.version,
        method=revision.method,
        recorded=revision.recorded,
        patient=patient,
        deleted=revision.content is None,
        labels=labels,
        patients=patients,
        facets=facets,
        source=author if change.base is None else change.base.head.source,
    )
    return Row(Stored(head, revision.content), description, place)
