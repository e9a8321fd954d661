"""FHIR search of one type: https://hl7.org/fhir/R4/http.html#search

Access narrows the query before anything is asked. Chains are solved first, innermost outwards: the ids a chain selects
become reference terms of the outer query.
"""

from __future__ import annotations

import msgspec

from domain import access
from domain.errors import DomainError, TooCostly
from domain.interactions.parts import Occasion, Parts
from domain.revision import Head
from domain.search import AnyTerm, Condition, IndexTerm, Linked, PageKey, SearchQuery, term

CHAIN_LIMIT = 1000
"""How many resources one chain may select; more is refused rather than silently cut."""


class Found(msgspec.Struct, frozen=True):
    """A page of results: each match with its JSON or with the error that keeps it closed, in order."""

    heads: tuple[Head, ...]
    contents: tuple[bytes | DomainError, ...]
    next: PageKey | None
    total: int | None


async def search(parts: Parts, occasion: Occasion, query: SearchQuery) -> Found:
    """One page of the search, opened. An entry that cannot be opened does not fail the page."""
    narrowed = access.narrow(occasion.caller, query)
    page = await parts.store.find(await solve_links(parts, narrowed))
    contents = await parts.store.open(page.matches)
    return Found(tuple(m.head for m in page.matches), tuple(contents), page.next, page.total)


async def solve_links(parts: Parts, query: SearchQuery) -> SearchQuery:
    """The query with every chain replaced by the references it selects."""
    if not any(isinstance(condition, Linked) for condition in query.conditions):
        return query
    solved = [await _solve(parts, c) if isinstance(c, Linked) else c for c in query.conditions]
    return msgspec.structs.replace(query, conditions=tuple(solved))


async def _solve(parts: Parts, link: Linked) -> Condition:
    inner = msgspec.structs.replace(link.target, count=CHAIN_LIMIT, total="none", sort="_id")
    page = await parts.store.find(await solve_links(parts, inner))
    if page.next is not None:
        raise TooCostly(f"The chain on {link.parameter} selects more than {CHAIN_LIMIT} resources")
    return AnyTerm(tuple(reference_term(link.parameter, str(m.head.key)) for m in page.matches), rank=2)


def reference_term(parameter: str, target: str) -> IndexTerm:
    """The term under which a reference to `Type/id` is indexed."""
    return term(parameter, "ref", target)
