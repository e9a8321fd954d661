"""FHIR read, with conditional read: https://hl7.org/fhir/R4/http.html#read, https://hl7.org/fhir/R4/http.html#cread

Access is decided on the plain head, before anything is opened; a version the client already has is never opened at all.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from domain import access
from domain.identity import ResourceKey
from domain.interactions.guarding import seen
from domain.interactions.parts import Answer, Occasion, Parts, opened, present
from domain.revision import Head


class Known(msgspec.Struct, frozen=True):
    """What the client says it has: versions (If-None-Match; `*` is any) or a time (If-Modified-Since)."""

    versions: frozenset[str] = frozenset()
    since: datetime | None = None

    def covers(self, head: Head) -> bool:
        """Whether the client's copy is current. Entity tags win over the time (RFC 7232 section 6)."""
        if self.versions:
            return "*" in self.versions or str(head.version) in self.versions
        return self.since is not None and head.recorded.replace(microsecond=0) <= self.since


async def read(parts: Parts, occasion: Occasion, key: ResourceKey, known: Known | None = None) -> Answer:
    """The newest version: 200 with content, or 304 when `known` covers it. Raises `NotFound`, `Gone`."""
    access.require(occasion.caller, "r", key.type)
    found = await seen(parts, occasion.caller, await parts.store.newest(key), key)
    stored = present(found, key)
    if known is not None and known.covers(stored.head):
        return Answer(304, stored.head)
    return Answer(200, stored.head, await opened(parts, stored))
