"""Whom an administrator may say an account belongs to: a profile opens the records of whoever it names.

Invariant: an ADMIN links accounts to the people of their own organisations only, as they may see them there; a SUPER_ADMIN to
everybody. Whom nobody has written down yet is nobody's: an id may be given to somebody else later.
"""

from __future__ import annotations

from collections.abc import Iterable

from domain.access import Caller
from domain.errors import Forbidden
from domain.identity import ResourceKey
from domain.interactions.belonging import is_of
from domain.interactions.parts import Parts


async def require_linkable(parts: Parts, caller: Caller, profiles: Iterable[str]) -> None:
    """Raise `Forbidden` unless the caller may link an account to each of these (`Patient/1`)."""
    if "SUPER_ADMIN" in caller.roles:
        return
    for profile in profiles:
        if not await _ours(parts, caller, profile):
            raise Forbidden("Only people of one's own organisation can be linked", reason="foreign_profile")


async def _ours(parts: Parts, caller: Caller, profile: str) -> bool:
    kind, _, name = profile.partition("/")
    organizations = frozenset(caller.organizations)
    if kind == "Practitioner":
        return await is_of(parts, ResourceKey(kind, name), organizations, caller.subject)
    stored = await parts.store.newest(ResourceKey(kind, name))
    if stored is not None and kind == "RelatedPerson" and stored.head.patient is not None:
        stored = await parts.store.newest(ResourceKey("Patient", stored.head.patient))
    if stored is None or stored.head.deleted or stored.head.key.type == "RelatedPerson":
        return False
    return not organizations.isdisjoint(stored.head.facets)
