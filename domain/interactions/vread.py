"""FHIR vread: https://hl7.org/fhir/R4/http.html#vread

Old versions stay readable after a deletion; the deletion itself, and every version of an erased patient, answers 410.
"""

from __future__ import annotations

from domain import access
from domain.errors import NotFound
from domain.identity import ResourceKey, parse_version
from domain.interactions.guarding import may_see
from domain.interactions.parts import Answer, Occasion, Parts, opened, present
from domain.revision import Stored


async def vread(parts: Parts, occasion: Occasion, key: ResourceKey, version_id: str) -> Answer:
    """One version, 200. Raises `NotFound` for a version that never was, `Gone` for a deletion or an erased patient."""
    access.require(occasion.caller, "r", key.type)
    version = parse_version(version_id)
    if version is None:
        raise NotFound(f"There is no version {version_id[:64]!r} of {key}")
    stored = await parts.store.version(key, version)
    if stored is not None and occasion.caller.sight is not None:
        stored = await _seen(parts, occasion, stored)
    stored = present(stored, key)
    return Answer(200, stored.head, await opened(parts, stored))


async def _seen(parts: Parts, occasion: Occasion, stored: Stored) -> Stored | None:
    """An older version needs the right to older versions, on what it was and on what the resource is now."""
    newest = await parts.store.newest(stored.head.key)
    if newest is None:
        return None
    letter: access.Letter = "r" if newest.head.version == stored.head.version else "h"
    allowed = [await may_see(parts, occasion.caller, letter, one) for one in (stored, newest)]
    return stored if all(allowed) else None
