"""References that name a resource by its canonical URL: https://hl7.org/fhir/R4/references.html#canonical

A Questionnaire, a PlanDefinition, a ValueSet is pointed at by what it calls itself, `url` or `url|version`, wherever it is
stored. Following such a reference is a search. One without a version leads to every version there is, and what points at
some version is found with each: which of them was meant only its author knows.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain.errors import TooCostly
from domain.interactions.parts import Parts
from domain.search import AllOf, AnyOf, AnyTerm, Condition, SearchQuery, term

MOST_NAMED = 1_000
"""Resources that are opened to see what they call themselves."""


def named_by(resource_type: str, texts: Sequence[str]) -> SearchQuery:
    """The resources of a type that call themselves so."""
    plain = [text for text in texts if "|" not in text]
    asked: list[Condition] = [_called(plain)] if plain else []
    for text in texts:
        url, _, version = text.partition("|")
        if version:
            asked.append(AllOf((_called([url]), AnyTerm((term("version", "c", version),)))))
    return SearchQuery(resource_type, (asked[0] if len(asked) == 1 else AnyOf(tuple(asked)),), total="none")


def _called(urls: Sequence[str]) -> AnyTerm:
    return AnyTerm(tuple(term("url", "u", url) for url in urls), rank=1)


async def names_of(parts: Parts, queries: Sequence[SearchQuery], parameter: str) -> list[str]:
    """How what the queries select may be pointed at: by place, and by URL. Raises `TooCostly` for more than `MOST_NAMED`."""
    found: list[str] = []
    for query in queries:
        page = await parts.store.find(msgspec.structs.replace(query, count=MOST_NAMED, total="none", sort="place"))
        if page.next is not None:
            raise TooCostly(f"'{parameter}' leads through more than {MOST_NAMED} resources", expression=parameter)
        found += [str(one.head.key) for one in page.matches]
        for content in await parts.store.open(page.matches):
            url = parts.reading.canonical_url(content) if isinstance(content, bytes) else None
            found += [url] if url is not None else []
    return list(dict.fromkeys(found))
