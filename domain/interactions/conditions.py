"""Conditions of conditional interactions: "the one Patient with this identifier".

https://hl7.org/fhir/R4/http.html#ccreate, #cond-update, #3.1.0.7.1 (delete), #patch

A condition must never be lost: parameters that are not understood are refused (strict), and a condition without any
parameter selects nothing. A write that relied on "nothing matches" carries a claim, which the store honours once.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl

import msgspec

from domain import access
from domain.errors import AmbiguousMatch, InvalidRequest
from domain.interactions.links import solve_links
from domain.interactions.parts import Occasion, Parts
from domain.revision import Claim, Stored

Pairs = Sequence[tuple[str, str]]


class Match(msgspec.Struct, frozen=True):
    """The one resource a condition selects, or none; and the claim of whoever relies on that."""

    found: Stored | None
    claim: Claim


def pairs_of(text: str) -> list[tuple[str, str]]:
    """The parameters of a condition as sent in If-None-Exist or after the `?`; a leading `?` is tolerated."""
    pairs = parse_qsl(text.removeprefix("?"), keep_blank_values=True, max_num_fields=100)
    if not pairs:
        raise InvalidRequest("A conditional interaction needs at least one search parameter", code="required")
    return pairs


async def match(parts: Parts, occasion: Occasion, resource_type: str, pairs: Pairs) -> Match:
    """What the condition selects now. Raises `AmbiguousMatch` for several, `InvalidRequest` for an unusable condition."""
    name = f"{resource_type}?" + "&".join(f"{k}={v}" for k, v in sorted(pairs))
    seen = (await parts.store.claim([name]))[0]
    parsed = parts.search.parse(resource_type, pairs, strict=True)
    if not parsed.query.conditions:
        raise InvalidRequest("A conditional interaction needs a parameter that selects resources", code="required")
    query = access.narrow(occasion.caller, msgspec.structs.replace(parsed.query, count=2, total="none"))
    page = await parts.store.find(await solve_links(parts, occasion.caller, query))
    if len(page.matches) > 1:
        raise AmbiguousMatch(f"More than one {resource_type} matches the condition")
    return Match(page.matches[0] if page.matches else None, Claim(name, seen))
