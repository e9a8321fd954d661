"""References that are written as conditions: `Practitioner?identifier=…`.

https://hl7.org/fhir/R4/http.html#trules: "the conditional reference must resolve to exactly one resource". They are resolved
in every write, not only in transactions: stored as they came they would point nowhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from domain.errors import AmbiguousMatch, InvalidRequest
from domain.identity import FhirJson
from domain.interactions.conditions import match, pairs_of
from domain.interactions.parts import Occasion, Parts


async def resolve_conditional(parts: Parts, occasion: Occasion, content: FhirJson) -> None:
    """Replace, in place, each conditional reference of `content` by the literal one it selects."""
    wanted = parts.links.conditional(content)
    if wanted:
        parts.links.rewrite(content, await targets_of(parts, occasion, wanted))


async def targets_of(parts: Parts, occasion: Occasion, references: Iterable[str]) -> dict[str, str]:
    """`Type?query` to `Type/id` for each reference. Raises `InvalidRequest` when one selects none or several."""
    distinct = list(dict.fromkeys(references))
    found = await asyncio.gather(*(_target(parts, occasion, reference) for reference in distinct))
    return dict(zip(distinct, found, strict=True))


async def _target(parts: Parts, occasion: Occasion, reference: str) -> str:
    resource_type, _, query = reference.partition("?")
    try:
        matched = await match(parts, occasion, resource_type, pairs_of(query))
    except AmbiguousMatch as several:
        raise AmbiguousMatch(f"A conditional reference to {resource_type} selects several resources") from several
    if matched.found is None:
        raise InvalidRequest(f"A conditional reference to {resource_type} selects nothing", code="not-found")
    return str(matched.found.head.key)
