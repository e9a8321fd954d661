"""Observation/$lastn: https://hl7.org/fhir/R4/observation-operation-lastn.html

The `max` most recent observations of each kind that a search selects, newest first. Two observations are of one kind
when they share a coding (so a LOINC code and its local translation are one), or, without codings, their text.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from domain.errors import TooCostly
from domain.interactions.including import Entry
from domain.interactions.parts import Occasion, Parts
from domain.interactions.search import search
from domain.reading import Observed
from domain.search import SearchQuery

LIMIT = 10_000
"""Observations one request looks through."""
PAGE = 1_000


async def lastn(parts: Parts, occasion: Occasion, query: SearchQuery, most: int) -> tuple[Entry, ...]:
    """At most `most` entries of each kind, kinds in order of their newest. Raises `TooCostly` over `LIMIT`."""
    rows: list[tuple[Observed, Entry]] = []
    following: SearchQuery | None = msgspec.structs.replace(query, count=PAGE, total="none")
    while following is not None:
        found = await search(parts, occasion, following)
        rows += [(parts.reading.observed(e.content), e) for e in found.matches if isinstance(e.content, bytes)]
        if len(rows) > LIMIT:
            raise TooCostly(f"$lastn looks through up to {LIMIT} observations: ask for fewer codes or categories")
        following = msgspec.structs.replace(following, after=found.next) if found.next is not None else None
    rows.sort(key=lambda row: (row[0].when is None, -(row[0].when.timestamp() if row[0].when else 0)))
    taken: dict[int, list[Entry]] = {}
    for kind, (_, entry) in zip(kinds_of(row[0].kinds for row in rows), rows, strict=True):
        group = taken.setdefault(kind, [])
        if len(group) < most:
            group.append(entry)
    return tuple(entry for group in taken.values() for entry in group)


def kinds_of(named: Iterable[tuple[str, ...]]) -> list[int]:
    """A number for each row; rows that share a name, directly or through others, have the same one."""
    parent: list[int] = []
    first: dict[str, int] = {}

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for row, names in enumerate(named):
        parent.append(row)
        for name in names:
            other = root(first.setdefault(name, row))
            parent[max(root(row), other)] = min(root(row), other)
    return [root(row) for row in range(len(parent))]
