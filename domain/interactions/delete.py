"""FHIR delete and conditional delete: https://hl7.org/fhir/R4/http.html#delete, https://hl7.org/fhir/R4/http.html#3.1.0.7.1

A deletion is a version without content: reads answer 410, older versions stay in the history. Deleting what is deleted or
never was answers 204 and writes nothing. A condition that selects several is refused (conditionalDelete is "single").
"""

from __future__ import annotations

from domain import access
from domain.errors import NotFound
from domain.identity import ResourceKey
from domain.interactions.conditions import Pairs, match
from domain.interactions.guarding import base_of
from domain.interactions.parts import Answer, Occasion, Parts
from domain.interactions.update import require_match
from domain.interactions.writing import Planned, removed, write_one
from domain.revision import Stored


async def delete(
    parts: Parts, occasion: Occasion, key: ResourceKey, *, if_match: frozenset[str] | None = None
) -> Answer:
    """Delete the resource: 204. Raises `VersionConflict` when `if_match` does not hold."""
    access.require(occasion.caller, "d", key.type)

    async def plan() -> Planned:
        base = await base_of(parts, occasion.caller, await parts.store.newest(key), key)
        require_match(key, base, if_match)
        return deleting(parts, base)

    return await write_one(parts, occasion, plan)


async def conditional_delete(parts: Parts, occasion: Occasion, resource_type: str, pairs: Pairs) -> Answer:
    """Delete the one match: 204. Raises `NotFound` for none, `AmbiguousMatch` for several."""
    access.require(occasion.caller, "d", resource_type)

    async def plan() -> Planned:
        found = (await match(parts, occasion, resource_type, pairs)).found
        if found is None:
            raise NotFound(f"No {resource_type} matches the condition")
        return deleting(parts, found)

    return await write_one(parts, occasion, plan)


def deleting(parts: Parts, base: Stored | None) -> Planned:
    """The plan that deletes what `base` is the newest version of, if there is anything to delete."""
    if base is None:
        return Planned(Answer(204))
    if base.head.deleted:
        return Planned(Answer(204, base.head))
    change, answer = removed(parts, base)
    return Planned(answer, change)
