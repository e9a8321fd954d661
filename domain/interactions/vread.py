"""FHIR vread: https://hl7.org/fhir/R4/http.html#vread

Old versions stay readable after a deletion; the deletion itself, and every version of an erased patient, answers 410.
"""

from __future__ import annotations

from domain import access
from domain.errors import NotFound
from domain.identity import ResourceKey, parse_version
from domain.interactions.parts import Answer, Occasion, Parts, opened, present


async def vread(parts: Parts, occasion: Occasion, key: ResourceKey, version_id: str) -> Answer:
    """One version, 200. Raises `NotFound` for a version that never was, `Gone` for a deletion or an erased patient."""
    access.require(occasion.caller, "r", key.type)
    version = parse_version(version_id)
    if version is None:
        raise NotFound(f"There is no version {version_id[:64]!r} of {key}")
    stored = present(await parts.store.version(key, version), key)
    return Answer(200, stored.head, await opened(parts, stored))
