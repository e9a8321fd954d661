"""What comes along with the matches of a search: https://hl7.org/fhir/R4/search.html#revinclude

Each resource comes once, matches never again as included ones. Access narrows what is fetched exactly as it narrows the
matches: what the caller may not search is left out without a word. Per page at most `INCLUDE_LIMIT` resources come
along; when there would be more, the answer says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from domain import access
from domain.access import Caller
from domain.errors import DomainError
from domain.identity import ResourceKey
from domain.interactions.by_url import named_by
from domain.interactions.pacing import Pace, side_by_side
from domain.interactions.parts import Parts
from domain.revision import Head, Stored
from domain.search import AnyTerm, IdIn, Inclusion, SearchQuery, reference_term

INCLUDE_LIMIT = 1_000
ROUNDS = 10
"""How far `:iterate` goes from a match; real hierarchies are shallower."""


class Entry(msgspec.Struct, frozen=True):
    """One resource of an answer: its head, and its JSON or what kept it closed."""

    head: Head
    content: bytes | DomainError


class Included(NamedTuple):
    """What comes along, in the order it was found; `cut` tells that there would have been more."""

    entries: tuple[Entry, ...] = ()
    cut: bool = False


async def include(parts: Parts, caller: Caller, matches: Sequence[Entry], inclusions: Sequence[Inclusion]) -> Included:
    """Everything `inclusions` ask for, starting from `matches`."""
    if not inclusions:
        return Included()
    seen = {entry.head.key for entry in matches}
    found: list[Entry] = []
    frontier, wanted = list(matches), list(inclusions)
    for _ in range(ROUNDS):
        if not (frontier and wanted):
            return Included(tuple(found))
        stored, cut = await _one_round(parts, caller, frontier, wanted, seen, INCLUDE_LIMIT - len(found))
        seen |= {one.head.key for one in stored}
        contents = await parts.store.open(stored)
        frontier = [Entry(one.head, content) for one, content in zip(stored, contents, strict=True)]
        found += frontier
        if cut:
            return Included(tuple(found), cut=True)
        wanted = [inclusion for inclusion in inclusions if inclusion.iterate]
    return Included(tuple(found), cut=bool(frontier and wanted))


async def _one_round(
    parts: Parts,
    caller: Caller,
    frontier: Sequence[Entry],
    wanted: Sequence[Inclusion],
    seen: set[ResourceKey],
    room: int,
) -> tuple[list[Stored], bool]:
    """What the frontier points at, and what points at it, beyond what was `seen`; and whether `room` was too small."""
    keys = await _pointed_at(parts, frontier, [each for each in wanted if not each.reverse])
    queries = [_by_id(name, ids[: room + 1]) for name, ids in _by_type(key for key in keys if key not in seen)]
    queries += _named(parts, frontier, [each for each in wanted if not each.reverse and each.by_url])
    direct = len(queries)
    queries += [query for each in wanted if each.reverse and (query := _pointing(parts, each, frontier)) is not None]
    allowed = [access.narrow(caller, query) for query in queries if caller.may("s", query.type)]
    # What is pointed at is read, not searched for.
    allowed += [
        access.narrow(caller, query, "r")
        for query in queries[:direct]
        if not caller.may("s", query.type) and caller.may("r", query.type)
    ]
    # What was seen already may fill a page of its own, so the page is that much longer.
    paged = [(query, room + 1 + len(seen)) for query in allowed]
    pages = await side_by_side(lambda row: _first(parts, *row), paged, at_once=8)
    fresh = {one.head.key: one for page in pages for one in page if one.head.key not in seen}
    return list(fresh.values())[:room], len(fresh) > room


async def _first(parts: Parts, query: SearchQuery, count: int) -> Sequence[Stored]:
    page = await parts.store.find(SearchQuery(query.type, query.conditions, count=count, total="none"))
    return page.matches


async def _pointed_at(parts: Parts, frontier: Sequence[Entry], wanted: Sequence[Inclusion]) -> dict[ResourceKey, None]:
    found: dict[ResourceKey, None] = {}
    pace = Pace()
    for entry in frontier if wanted else ():
        mine = [each for each in wanted if each.source in (None, entry.head.key.type)]
        if mine and isinstance(entry.content, bytes):
            found.update(dict.fromkeys(parts.reading.references(entry.content, mine)))
            await pace.step()
    return found


def _by_type(keys: Iterable[ResourceKey]) -> list[tuple[str, list[str]]]:
    grouped: dict[str, list[str]] = {}
    for key in keys:
        grouped.setdefault(key.type, []).append(key.id)
    return list(grouped.items())


def _by_id(resource_type: str, ids: Sequence[str]) -> SearchQuery:
    return SearchQuery(resource_type, (IdIn(tuple(ids)),))


def _named(parts: Parts, frontier: Sequence[Entry], wanted: Sequence[Inclusion]) -> list[SearchQuery]:
    """The searches for what the frontier names by canonical URL."""
    texts: dict[str, dict[str, None]] = {}
    for each in wanted:
        for entry in frontier:
            if entry.head.key.type == each.source and isinstance(entry.content, bytes):
                named = dict.fromkeys(parts.reading.canonicals(entry.content, [each]))
                for name in each.by_url if named else ():
                    texts.setdefault(name, {}).update(named)
    return [named_by(name, list(named)) for name, named in texts.items()]


def _pointing(parts: Parts, inclusion: Inclusion, frontier: Sequence[Entry]) -> SearchQuery | None:
    """The search for what points at the frontier by the parameters of a `_revinclude`."""
    names = [str(entry.head.key) for entry in frontier if inclusion.target in (None, entry.head.key.type)]
    for entry in frontier:
        if entry.head.key.type in inclusion.by_url and isinstance(entry.content, bytes):
            url = parts.reading.canonical_url(entry.content)
            names += [url] if url is not None else []
    terms = [reference_term(code, name) for code in inclusion.parameters or () for name in names]
    if not terms or inclusion.source is None:
        return None
    return SearchQuery(inclusion.source, (AnyTerm(tuple(terms)),))
