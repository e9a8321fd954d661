"""FHIR patch and conditional patch: https://hl7.org/fhir/R4/http.html#patch

The patch is applied to the newest version and the result is checked like any other body. A patch that loses a race is
applied again to the version that won, unless If-Match forbids it.
"""

from __future__ import annotations

import base64

import msgspec

from domain import access
from domain.errors import InvalidRequest, NotFound
from domain.identity import FhirJson, ResourceKey
from domain.interactions.conditions import Pairs, match
from domain.interactions.guarding import base_of
from domain.interactions.linking import resolve_conditional
from domain.interactions.parts import Answer, Occasion, Parts, opened, present
from domain.interactions.update import replacing, require_match
from domain.interactions.writing import Planned, write_one
from domain.revision import Stored


class PatchBody(msgspec.Struct, frozen=True):
    """A patch document and its media type (without parameters)."""

    document: bytes
    media_type: str

    def __repr__(self) -> str:
        return f"PatchBody({self.media_type})"


class _Wrapped(msgspec.Struct, rename="camel"):
    resource_type: str
    content_type: str = ""
    data: str = ""


def patch_document(resource: bytes) -> PatchBody:
    """The patch a Bundle entry carries: a Parameters resource, or a Binary that holds a JSON Patch.

    https://hl7.org/fhir/R4/http.html#jsonpatch
    """
    try:
        wrapped = msgspec.json.decode(resource, type=_Wrapped)
        if wrapped.resource_type == "Binary":
            return PatchBody(base64.b64decode(wrapped.data, validate=True), wrapped.content_type)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidRequest("A PATCH entry needs a Parameters or a Binary resource", code="structure") from error
    return PatchBody(resource, "application/fhir+json")


async def patch(
    parts: Parts, occasion: Occasion, key: ResourceKey, body: PatchBody, *, if_match: frozenset[str] | None = None
) -> Answer:
    """Apply the patch to the newest version: 200. Raises `NotFound`, `Gone`, `VersionConflict`, `InvalidContent`."""
    access.require(occasion.caller, "u", key.type)

    async def plan() -> Planned:
        base = await base_of(parts, occasion.caller, await parts.store.newest(key), key)
        require_match(key, base, if_match)
        return await patching(parts, occasion, present(base, key), body)

    return await write_one(parts, occasion, plan)


async def conditional_patch(
    parts: Parts,
    occasion: Occasion,
    resource_type: str,
    body: PatchBody,
    pairs: Pairs,
    *,
    if_match: frozenset[str] | None = None,
) -> Answer:
    """Patch the one match. Raises `NotFound` for none, `AmbiguousMatch` for several."""
    access.require(occasion.caller, "u", resource_type)

    async def plan() -> Planned:
        found = (await match(parts, occasion, resource_type, pairs)).found
        if found is None:
            raise NotFound(f"No {resource_type} matches the condition")
        require_match(found.head.key, found, if_match)
        return await patching(parts, occasion, found, body)

    return await write_one(parts, occasion, plan)


async def patching(parts: Parts, occasion: Occasion, base: Stored, body: PatchBody) -> Planned:
    """The plan that stores the patched resource."""
    key = base.head.key
    current: FhirJson = parts.validate.decode(await opened(parts, base), key.type)
    patched = parts.patches.apply(current, body.document, body.media_type)
    if patched.get("id") != key.id or patched.get("resourceType") != key.type:
        raise InvalidRequest("A patch cannot change the type or the id", expression=f"{key.type}.id")
    parts.validate.check(patched)
    await resolve_conditional(parts, occasion, patched)
    return await replacing(parts, occasion, key, patched, base=base, method="PATCH")
