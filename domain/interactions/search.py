"""FHIR search of one type: https://hl7.org/fhir/R4/http.html#search

Access narrows the query before anything is asked; conditions on other resources are solved first (`links`), what was
found is opened, and what the caller asked to come along is added (`including`).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain import access
from domain.interactions.including import Entry, Included, include
from domain.interactions.links import solve_links
from domain.interactions.parts import Occasion, Parts
from domain.search import Inclusion, PageKey, SearchQuery


class Found(msgspec.Struct, frozen=True):
    """A page of results in order, and what comes along. `total` counts matches only."""

    matches: tuple[Entry, ...]
    next: PageKey | None
    total: int | None
    included: Included = Included()


async def search(parts: Parts, occasion: Occasion, query: SearchQuery, inclusions: Sequence[Inclusion] = ()) -> Found:
    """One page of the search, opened. An entry that cannot be opened does not fail the page."""
    narrowed = access.narrow(occasion.caller, query)
    page = await parts.store.find(await solve_links(parts, occasion.caller, narrowed))
    contents = await parts.store.open(page.matches)
    matches = tuple([Entry(one.head, content) for one, content in zip(page.matches, contents, strict=True)])
    return Found(matches, page.next, page.total, await include(parts, occasion.caller, matches, inclusions))
