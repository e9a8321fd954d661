"""What a server holds, read page by page in plain order, so that answers to searches can be counted without searching.

https://hl7.org/fhir/R4/http.html#paging. `fill` stores people and charts of ours first, unless the server is measured as it
is. The pages are kept as they came: a hundred thousand resources fit into memory as text, not as objects.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from api.bench.bodies import charts
from api.bench.engine import Session, Wrong, side_by_side
from api.bench.people import Families
from domain.identity import FhirJson

PAGE = 500
FILLED_PATIENTS, FILLED_CHARTS = 1_000, 40
PER_BUNDLE = 100


class _Link(msgspec.Struct):
    relation: str
    url: str


class _Entry(msgspec.Struct):
    resource: FhirJson


class _Page(msgspec.Struct):
    link: list[_Link] = []
    entry: list[_Entry] = []
    total: int | None = None


class Records:
    """The resources of one server by type; `filled` measures what is there, otherwise ours are added once."""

    def __init__(self, *, filled: bool = False) -> None:
        self._ready = filled
        self._pages: dict[str, list[bytes]] = {}

    async def of(self, session: Session, resource_type: str) -> Iterator[FhirJson]:
        """Every resource of a type, decoded one page at a time. Raises `Wrong` when the server cannot list them."""
        if not self._ready:
            await self._fill(session)
            self._ready = True
        if resource_type not in self._pages:
            self._pages[resource_type] = await _listed(session, resource_type)
        return (entry.resource for page in self._pages[resource_type] for entry in _decoded(page).entry)

    async def _fill(self, session: Session) -> None:
        families = Families()
        bundles = [families.bundle(PER_BUNDLE) for _ in range(FILLED_PATIENTS // PER_BUNDLE)]
        bundles += charts(FILLED_CHARTS)

        async def one(number: int) -> None:
            body, count = bundles[number]
            await session.ask("POST", "", body, expect=(200,), resources=count)
            session.told("storing Bundles", number + 1, len(bundles))

        await side_by_side(len(bundles), 4, one)


_decoder = msgspec.json.Decoder(_Page)


def _decoded(page: bytes) -> _Page:
    return _decoder.decode(page)


async def _listed(session: Session, resource_type: str) -> list[bytes]:
    """The pages of a type. What the server says it has in all must be what its pages hold."""
    # Asked once, by itself: a link to the next page would have the server count again for every page.
    counted = await session.ask("GET", f"/{resource_type}?_summary=count", expect=(200,))
    total = _decoded(counted.body).total
    path: str | None = f"/{resource_type}?_count={PAGE}&_total=none"
    pages: list[bytes] = []
    found = 0
    while path is not None:
        pages.append((await session.ask("GET", path, expect=(200,))).body)
        page = _decoded(pages[-1])
        found += len(page.entry)
        session.told(f"listing {resource_type}", len(pages), max(len(pages), math.ceil((total or 0) / PAGE)))
        queries = (each.url.partition("?")[2] for each in page.link if each.relation == "next")
        path = next((f"/{resource_type}?{query}" for query in queries), None)
    if total not in (None, found):
        session.wrong[f"{resource_type} listed {found} of {total}"] += 1
        raise Wrong
    return pages
