"""Conditions on sets of codes: `:in`, `:not-in`, `:above`, `:below`. https://hl7.org/fhir/R4/search.html#modifiers

Sets come from ValueSets and CodeSystems stored on this server, read with the caller's rights. What only a terminology
server could expand (filters, whole code systems we do not hold) is refused, and so is a set over the limit.
"""

from __future__ import annotations

from domain import access
from domain.access import Caller
from domain.errors import InvalidRequest, TooCostly
from domain.interactions.parts import Parts
from domain.reading import CodeSet
from domain.search import AnyTerm, CodesOf, SearchQuery, term

MAX_CODES = 1_000
MAX_SETS = 20
"""ValueSets that one set may be put together from."""


async def codes_in(parts: Parts, caller: Caller, resource_type: str, wanted: CodesOf) -> AnyTerm:
    """The terms of all codes of the set.

    Raises `InvalidRequest` for a set that is not here or cannot be expanded, `TooCostly` for one over the limit.
    """
    codes: dict[tuple[str, str], None] = {}
    excluded: set[tuple[str, str]] = set()
    urls, seen = [wanted.url], {wanted.url}
    while urls:
        found = await _read(parts, caller, wanted, urls.pop())
        codes.update(dict.fromkeys(found.codes))
        excluded.update(found.excluded)
        new = [url for url in found.value_sets if url not in seen]
        urls += new
        seen.update(new)
        if len(codes) > MAX_CODES or len(seen) > MAX_SETS:
            raise TooCostly(
                f"'{wanted.parameter}' takes sets of up to {MAX_CODES} codes from {MAX_SETS} ValueSets",
                expression=wanted.parameter,
            )
    chosen = [code for code in codes if code not in excluded]
    terms = parts.reading.code_terms(resource_type, wanted.parameter, chosen)
    return AnyTerm(tuple(terms), negated=wanted.negated, rank=6)


async def _read(parts: Parts, caller: Caller, wanted: CodesOf, url: str) -> CodeSet:
    """What one ValueSet or CodeSystem of this server says; the newest, when there are several of one URL."""
    by_url = AnyTerm((term("url", "u", url),), rank=0)
    query = SearchQuery(wanted.source, (by_url,), sort="-_lastUpdated", count=1, total="none")
    page = await parts.store.find(access.narrow(caller, query))
    for content in await parts.store.open(page.matches):
        if isinstance(content, bytes):
            return parts.reading.codes(content, wanted)
    raise InvalidRequest(
        f"There is no {wanted.source} of this URL on this server", code="not-found", expression=wanted.parameter
    )
