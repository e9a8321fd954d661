"""FHIR update, update-as-create and conditional update: https://hl7.org/fhir/R4/http.html#update, #upsert, #cond-update

Writes the next version. The newest version is read only to answer precisely; what makes two concurrent updates impossible
is the store's unique (type, id, version). Identical content writes nothing and answers 200 with the version that exists.
"""

from __future__ import annotations

from collections.abc import Callable

from domain import access
from domain.errors import Gone, InvalidRequest, VersionConflict
from domain.identity import FhirJson, ResourceKey, parse_id
from domain.interactions.bringing import brought_by
from domain.interactions.brought import Brought
from domain.interactions.carrying import planned_of
from domain.interactions.conditions import Pairs, match
from domain.interactions.guarding import base_of
from domain.interactions.labelling import labelled
from domain.interactions.linking import resolve_conditional
from domain.interactions.parts import Answer, Occasion, Parts, opened
from domain.interactions.writing import Planned, write_one
from domain.revision import Claim, Method, Stored, same_content


async def update(
    parts: Parts,
    occasion: Occasion,
    key: ResourceKey,
    content: FhirJson,
    *,
    if_match: frozenset[str] | None = None,
    if_none_match: bool = False,
) -> Answer:
    """Make `content` the next version of `key`: 200, or 201 when it did not exist (or was deleted).

    `if_match` holds the version ids the client accepts; `if_none_match` is `If-None-Match: *`. Raises `VersionConflict`.
    """
    access.require(occasion.caller, "u", key.type)
    require_id(content, key)
    await resolve_conditional(parts, occasion, content)

    async def plan() -> Planned:
        base = await base_of(parts, occasion.caller, await parts.store.newest(key), key)
        require_match(key, base, if_match, if_none_match=if_none_match)
        return await replacing(parts, occasion, key, content, base=base, method="PUT")

    return await write_one(parts, occasion, plan)


async def conditional_update(
    parts: Parts,
    occasion: Occasion,
    resource_type: str,
    content: FhirJson,
    pairs: Pairs,
    *,
    if_match: frozenset[str] | None = None,
) -> Answer:
    """Update the one match; create when nothing matches. Raises `AmbiguousMatch`, `VersionConflict`."""
    access.require(occasion.caller, "u", resource_type)
    await resolve_conditional(parts, occasion, content)
    new_id = parts.new_id()

    async def plan() -> Planned:
        matched = await match(parts, occasion, resource_type, pairs)
        key, base = conditional_target(resource_type, content, matched.found, lambda: new_id)
        if matched.found is None and base is None:
            base = await parts.store.newest(key)
            if "id" in content:
                base = await base_of(parts, occasion.caller, base, key)
            if base is not None and not base.head.deleted:
                raise InvalidRequest(f"{key} exists but does not match the condition", expression=f"{key.type}.id")
        require_match(key, base, if_match)
        claims = () if matched.found else (matched.claim,)
        return await replacing(parts, occasion, key, {**content, "id": key.id}, base=base, method="PUT", claims=claims)

    return await write_one(parts, occasion, plan)


def conditional_target(
    resource_type: str, content: FhirJson, found: Stored | None, new_id: Callable[[], str]
) -> tuple[ResourceKey, Stored | None]:
    """Which resource a conditional update writes: the match; else the id in the body; else a new one."""
    own_id = content.get("id")
    if found is None:
        return ResourceKey(resource_type, own_id if own_id is not None else new_id()), None
    if own_id is not None and own_id != found.head.key.id:
        raise InvalidRequest("The id in the body is not that of the match", expression=f"{resource_type}.id")
    return found.head.key, found


async def replacing(
    parts: Parts,
    occasion: Occasion,
    key: ResourceKey,
    content: FhirJson,
    *,
    base: Stored | None,
    method: Method,
    claims: tuple[Claim, ...] = (),
    brought: Brought | None = None,
) -> Planned:
    """The plan that makes `content` the newest version of `key`, or none when it already is.

    `brought` is what it brings with it, where that was taken out already.
    """
    if base is not None and base.head.erased:
        raise Gone(f"{key} was erased")
    brought = await brought_by(parts, occasion, key, content, base) if brought is None else brought
    content = brought.content
    if base is not None and not base.head.deleted:
        current = await opened(parts, base)
        content = labelled(parts, content, key, base)
        if same_content(content, base, current):
            return Planned(Answer(200, base.head, current), None, claims)
    return await planned_of(parts, occasion, key, brought, method=method, base=base, claims=claims)


def require_id(content: FhirJson, key: ResourceKey) -> None:
    """Raise `InvalidRequest` unless the body carries the id of the URL."""
    parse_id(key.id)
    if content.get("id") != key.id:
        raise InvalidRequest("The id in the body must be that of the URL", expression=f"{key.type}.id", code="value")


def require_match(
    key: ResourceKey, base: Stored | None, if_match: frozenset[str] | None, *, if_none_match: bool = False
) -> None:
    """Raise `VersionConflict` unless the newest version satisfies the client's conditions.

    RFC 7232 section 3.1: If-Match is false when there is no current representation.
    """
    live = base if base is not None and not base.head.deleted else None
    if if_none_match and live is not None:
        raise VersionConflict(f"{key} exists")
    if if_match is None:
        return
    if live is None:
        raise VersionConflict(f"{key} has no current version")
    if "*" not in if_match and str(live.head.version) not in if_match:
        raise VersionConflict(f"The newest version of {key} is {live.head.version}")
