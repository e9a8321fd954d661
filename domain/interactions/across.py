"""A search over several types: the whole system (`?_type=…`) or a compartment (`Patient/1/*`).

https://hl7.org/fhir/R4/http.html#search. Each type is a query of its own, since a parameter may be of another kind there.
By default the types follow each other in the order given; sorted by `_lastUpdated` they are merged. A page remembers for
each type where it stopped, so that pages are as stable as those of one type: nothing is doubled or left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain import access
from domain.errors import InvalidRequest
from domain.interactions.including import Entry, Included, include
from domain.interactions.links import solve_links
from domain.interactions.pacing import side_by_side
from domain.interactions.parts import Occasion, Parts
from domain.revision import Stored
from domain.search import Inclusion, PageKey, SearchQuery

AT_ONCE = 8
MERGED = ("_lastUpdated", "-_lastUpdated")


class Place(msgspec.Struct, frozen=True, array_like=True):
    """A type that is not exhausted, and where in it the next page starts."""

    type: str
    after: PageKey | None = None


class FoundAcross(msgspec.Struct, frozen=True):
    """A page of results of several types. `rest` is what the next page asks for, nothing at the end."""

    matches: tuple[Entry, ...]
    rest: tuple[Place, ...]
    total: int | None
    included: Included = Included()


async def search_across(
    parts: Parts,
    occasion: Occasion,
    queries: Sequence[SearchQuery],
    inclusions: Sequence[Inclusion] = (),
    *,
    sorted_by: str | None = None,
) -> FoundAcross:
    """One page of `queries`, one per type, all with the same page size and the same order.

    Types the caller may not search are left out; `Forbidden` when that is all of them. Raises `InvalidRequest` for an
    order that types do not share.
    """
    caller = occasion.caller
    allowed = [access.narrow(caller, query) for query in queries if caller.may("s", query.type)]
    if not allowed:
        raise access.refusal(caller, "s", [query.type for query in queries], "to search any of these types")
    if sorted_by not in (None, "_id", *MERGED):
        raise InvalidRequest("A search over several types sorts by _id or _lastUpdated", expression="_sort")
    solved = await side_by_side(lambda query: solve_links(parts, caller, query), allowed, at_once=AT_ONCE)
    page = _merged if sorted_by in MERGED else _one_after_another
    stored, rest = await page(parts, solved)
    total = await _total(parts, solved, len(stored), complete=not rest)
    contents = await parts.store.open(stored)
    matches = tuple(Entry(one.head, content) for one, content in zip(stored, contents, strict=True))
    return FoundAcross(matches, rest, total, await include(parts, caller, matches, inclusions))


Paged = tuple[list[Stored], tuple[Place, ...]]


async def _one_after_another(parts: Parts, queries: Sequence[SearchQuery]) -> Paged:
    """The first type's matches, then the next one's, a few types asked at a time."""
    found: list[Stored] = []
    count = queries[0].count
    for start in range(0, len(queries), AT_ONCE):
        window = queries[start : start + AT_ONCE]
        pages = await side_by_side(parts.store.find, [_uncounted(query, count - len(found)) for query in window])
        for offset, (query, page) in enumerate(zip(window, pages, strict=True)):
            room = count - len(found)
            taken = list(page.matches[:room])
            found += taken
            if len(page.matches) > room or page.next is not None:
                return found, _places(query, taken, queries[start + offset + 1 :])
        if len(found) == count:
            left = queries[start + AT_ONCE :]
            more = left and await parts.store.keys(left, limit=1)
            return found, tuple(Place(query.type) for query in left) if more else ()
    return found, ()


def _places(query: SearchQuery, taken: Sequence[Stored], later: Sequence[SearchQuery]) -> tuple[Place, ...]:
    here = Place(query.type, page_key(taken[-1]) if taken else query.after)
    return (here, *(Place(each.type) for each in later))


async def _merged(parts: Parts, queries: Sequence[SearchQuery]) -> Paged:
    """The matches of all types in one order of time; each type is asked for a whole page."""
    count = queries[0].count
    pages = await side_by_side(parts.store.find, [_uncounted(query, count) for query in queries], at_once=AT_ONCE)
    rows = [one for page in pages for one in page.matches]
    rows.sort(key=lambda one: (one.head.recorded, str(one.head.key)), reverse=queries[0].sort.startswith("-"))
    taken = rows[:count]
    rest: list[Place] = []
    for query, page in zip(queries, pages, strict=True):
        mine = [one for one in taken if one.head.key.type == query.type]
        if len(mine) < len(page.matches) or page.next is not None:
            rest.append(Place(query.type, page_key(mine[-1]) if mine else query.after))
    return taken, tuple(rest)


async def _total(parts: Parts, queries: Sequence[SearchQuery], found: int, *, complete: bool) -> int | None:
    """How many there are in all types; `None` when it was not asked for, or on a later page."""
    if queries[0].total == "none" or any(query.after is not None for query in queries):
        return None
    if complete and queries[0].count:
        return found
    counting = [msgspec.structs.replace(query, count=0) for query in queries]
    pages = await side_by_side(parts.store.find, counting, at_once=AT_ONCE)
    totals = [page.total for page in pages if page.total is not None]
    return sum(totals) if len(totals) == len(pages) else None


def _uncounted(query: SearchQuery, count: int) -> SearchQuery:
    return msgspec.structs.replace(query, count=max(count, 0), total="none")


def page_key(stored: Stored) -> PageKey:
    """Where a page that ends with this resource ends, in the order of ids or of times."""
    return PageKey(stored.head.key.id, stored.head.recorded)
