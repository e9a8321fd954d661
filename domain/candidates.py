"""Searches that only opened resources can decide or order: candidates from the index, opened and looked at one by one.

https://hl7.org/fhir/R4/search.html#sort. What the index cannot decide (`Opened`: a text in the middle of a name, an age) it
still narrows to candidates. Each is opened and held to the whole condition, so nothing is invented, and the index leaves
nothing out, so nothing is missed. The work is capped: a search that would open more is refused, never cut silently.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from domain.errors import DomainError, TooCostly
from domain.ports import Inspect, Inspected
from domain.revision import Head, Stored
from domain.search import AllOf, AnyOf, Condition, Opened, PageKey, SearchQuery, Words

MAX_OPENED = 5_000
"""Resources one search may open to decide or to sort; about a quarter of a second."""
BATCH = 250

SortValue: TypeAlias = str | int | None


class Page(NamedTuple):
    """`domain.ports.SearchPage`."""

    matches: Sequence[Stored]
    next: PageKey | None
    total: int | None


Find: TypeAlias = Callable[[SearchQuery], Awaitable[Page]]
Open: TypeAlias = Callable[[Sequence[Stored]], Awaitable[list[bytes | DomainError]]]
FoundWith: TypeAlias = Callable[[Sequence[Stored]], Awaitable[list[frozenset[str]]]]
KeyOf: TypeAlias = Callable[[Stored], PageKey]


class Source(NamedTuple):
    """What a store gives to this: its plain search, `open`, where a match stands in its order, and how to look inside."""

    find: Find
    open: Open
    key_of: KeyOf
    inspect: Inspect
    found: FoundWith | None = None


def needs_opening(query: SearchQuery) -> bool:
    """Whether the index alone cannot answer."""
    return bool(query.order) or any(map(_is_opened, query.conditions))


def _is_opened(condition: Condition) -> bool:
    match condition:
        case Opened():
            return True
        case AllOf(conditions) | AnyOf(conditions):
            return any(map(_is_opened, conditions))
    return False


def _asks_found(condition: Condition) -> bool:
    """Whether the words of a resource's documents count."""
    match condition:
        case Words(_, found):
            return found
        case AllOf(conditions) | AnyOf(conditions):
            return any(map(_asks_found, conditions))
    return False


def _superset(condition: Condition) -> Condition | None:
    """What the index can say of a condition; `None` when that is nothing."""
    match condition:
        case Opened():
            return None
        case AllOf(conditions):
            kept = tuple(each for each in map(_superset, conditions) if each is not None)
            return AllOf(kept) if kept else None
        case AnyOf(conditions):
            parts = [_superset(each) for each in conditions]
            return None if None in parts else AnyOf(tuple(each for each in parts if each is not None))
    return condition


async def find(source: Source, query: SearchQuery) -> Page:
    """One page of the search. Raises `TooCostly` when more than `MAX_OPENED` resources would have to be opened."""
    if query.order:
        return await _sorted(source, query)
    return await _streamed(source, query)


def candidates_of(query: SearchQuery) -> SearchQuery:
    """The query that the index answers: everything it can say of the conditions, in no particular order."""
    plain = tuple(each for each in map(_superset, query.conditions) if each is not None)
    return msgspec.structs.replace(query, conditions=plain, order=(), total="none", count=BATCH)


class _Candidates:
    """The candidates of a query, batch by batch, those that are matches with what is inside them."""

    def __init__(self, source: Source, query: SearchQuery, *, first: int = BATCH) -> None:
        self._source = source
        self._doubtful = [condition for condition in query.conditions if _is_opened(condition)]
        self._query: SearchQuery | None = msgspec.structs.replace(candidates_of(query), count=first)
        self._left = MAX_OPENED

    async def batch(self) -> list[tuple[Stored, Inspected]] | None:
        """The matches of the next batch, `None` after the last."""
        if self._query is None:
            return None
        page = await self._source.find(self._query)
        self._left -= len(page.matches)
        if self._left < 0:
            raise TooCostly(
                f"More than {MAX_OPENED} resources would have to be opened for this search: "
                "add a parameter that selects fewer"
            )
        self._query = None if page.next is None else msgspec.structs.replace(self._query, after=page.next, count=BATCH)
        contents = await self._source.open(page.matches)
        words = [frozenset[str]()] * len(contents)
        if self._source.found is not None and any(map(_asks_found, self._doubtful)):
            words = await self._source.found(page.matches)
        found = []
        for stored, content, with_it in zip(page.matches, contents, words, strict=True):
            if isinstance(content, bytes):
                inside = self._source.inspect(stored.head, content, with_it)
                if all(map(inside.satisfies, self._doubtful)):
                    found.append((stored, inside))
        return found


async def _streamed(source: Source, query: SearchQuery) -> Page:
    """Matches in the store's order, opening no more than the page needs, or all that has to be counted."""
    # Often nearly all candidates are matches: no more are asked for at first than the page holds.
    candidates = _Candidates(source, query, first=max(1, min(query.count + 1, BATCH)))
    count_all = query.total == "accurate"
    found: list[Stored] = []
    batch = await candidates.batch()
    while batch is not None:
        found += [stored for stored, _ in batch]
        if len(found) > query.count and not count_all:
            break
        batch = await candidates.batch()
    matches = found[: query.count]
    more = len(found) > query.count and bool(matches)
    total = len(found) if batch is None and query.after is None and query.total != "none" else None
    if count_all and query.after is not None:
        total = (await _streamed(source, msgspec.structs.replace(query, after=None))).total
    return Page(matches, source.key_of(matches[-1]) if more else None, total)


async def _sorted(source: Source, query: SearchQuery) -> Page:
    """All matches, sorted by what is inside. Without a value they come last; equal ones by id."""
    candidates = _Candidates(source, msgspec.structs.replace(query, sort="place", after=None))
    rows: list[tuple[tuple[SortValue, ...], Stored]] = []
    batch = await candidates.batch()
    while batch is not None:
        for stored, inside in batch:
            rows.append((tuple(inside.sort_value(code, descending) for code, descending in query.order), stored))
        batch = await candidates.batch()
    directions = [descending for _, descending in query.order]
    rows.sort(key=lambda row: row[1].head.key.id)
    for position, descending in reversed(list(enumerate(directions))):
        rows.sort(key=lambda row: _sortable(row[0][position], descending), reverse=descending)
    start = 0
    if query.after is not None:
        start = next((i for i, row in enumerate(rows) if _follows(row, query.after, directions)), len(rows))
    cut = rows[start : start + query.count]
    last = cut[-1] if cut and len(rows) > start + query.count else None
    next_key = None if last is None else _key(last)
    return Page([stored for _, stored in cut], next_key, None if query.total == "none" else len(rows))


def _sortable(value: SortValue, descending: bool) -> tuple[bool, int, str]:
    """Values without one last, whatever the direction."""
    absent = value is None
    return (absent is not descending, value if isinstance(value, int) else 0, value if isinstance(value, str) else "")


def _follows(row: tuple[tuple[SortValue, ...], Stored], after: PageKey, directions: Sequence[bool]) -> bool:
    """Whether a row comes after the page key."""
    values, stored = row
    for value, key, descending in zip(values, after.values, directions, strict=False):
        left, right = _sortable(value, descending), _sortable(key, descending)
        if left != right:
            return (left > right) is not descending
    return stored.head.key.id > after.id


def _key(row: tuple[tuple[SortValue, ...], Stored]) -> PageKey:
    values, stored = row
    head: Head = stored.head
    return PageKey(head.key.id, head.recorded, values=values)
