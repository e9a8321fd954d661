"""FHIR create and conditional create: https://hl7.org/fhir/R4/http.html#create, https://hl7.org/fhir/R4/http.html#ccreate

The id is always the server's; one in the body is ignored. With a condition, one match answers 200 with that resource and
stores nothing. Two creates that race on one condition cannot both store: the claim makes one of them look again.
"""

from __future__ import annotations

from domain import access
from domain.identity import FhirJson, ResourceKey
from domain.interactions.carrying import carried
from domain.interactions.conditions import Pairs, match
from domain.interactions.linking import resolve_conditional
from domain.interactions.parts import Answer, Occasion, Parts, opened
from domain.interactions.writing import Planned, write_one


async def create(
    parts: Parts, occasion: Occasion, resource_type: str, content: FhirJson, if_none_exist: Pairs | None = None
) -> Answer:
    """Store `content` under a new id: 201; or 200 with the one match of `if_none_exist`. Raises `AmbiguousMatch`."""
    access.require(occasion.caller, "c", resource_type)
    key = ResourceKey(resource_type, parts.new_id())
    await resolve_conditional(parts, occasion, content)

    async def plan() -> Planned:
        if if_none_exist is None:
            return await carried(parts, occasion, key, content, method="POST", base=None)
        matched = await match(parts, occasion, resource_type, if_none_exist)
        if matched.found is not None:
            return Planned(Answer(200, matched.found.head, await opened(parts, matched.found)))
        return await carried(parts, occasion, key, content, method="POST", base=None, claims=(matched.claim,))

    return await write_one(parts, occasion, plan)
