"""FHIR history of an instance, a type or the system: https://hl7.org/fhir/R4/http.html#history

Newest first. Deletions are entries without content; versions of an erased patient are entries that say so, and the
history of one resource of such a patient answers 410, as reading it does.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain import access
from domain.errors import DomainError, Forbidden, Gone, InsufficientScope, NotFound
from domain.history_query import HistoryKey, HistoryQuery
from domain.identity import ResourceKey
from domain.interactions.guarding import may_see
from domain.interactions.parts import Occasion, Parts
from domain.matching import needs_index
from domain.revision import Head


class Past(msgspec.Struct, frozen=True):
    """A page of versions: each with its JSON, `None` for a deletion, or the error that keeps it closed."""

    heads: tuple[Head, ...]
    contents: tuple[bytes | DomainError | None, ...]
    next: HistoryKey | None
    total: int


async def history(parts: Parts, occasion: Occasion, query: HistoryQuery) -> Past:
    """One page. Of an instance: raises `NotFound` when it never existed, `Gone` when it was erased."""
    resource_type = query.key.type if query.key else query.type or "*"
    access.require(occasion.caller, "r", resource_type)
    if query.key is None:
        access.require(occasion.caller, "s", resource_type)
    query = await _narrowed(parts, occasion, query)
    page = await parts.store.history(query)
    if query.key is not None and not page.versions and await parts.store.newest(query.key) is None:
        raise NotFound(f"There is no {query.key}")
    living = [stored for stored in page.versions if not stored.head.deleted]
    opened = await parts.store.open(living)
    if query.key is not None and await _erased(parts, query.key, opened):
        raise Gone(f"{query.key} was erased")
    following = iter(opened)
    contents = tuple(None if stored.head.deleted else next(following) for stored in page.versions)
    return Past(tuple(stored.head for stored in page.versions), contents, page.next, page.total)


async def _erased(parts: Parts, key: ResourceKey, opened: Sequence[bytes | DomainError]) -> bool:
    """Whether all of a page was erased, or the resource itself: it may have been nobody's before it was the patient's."""
    gone = [isinstance(content, Gone) for content in opened]
    if not any(gone) or all(gone):
        return any(gone)
    newest = await parts.store.newest(key)
    return newest is not None and newest.head.erased


async def _narrowed(parts: Parts, occasion: Occasion, query: HistoryQuery) -> HistoryQuery:
    """The versions the caller may see: by what each was and by what its resource is now.

    Raises `NotFound` for a resource they may not see, `Forbidden` without a right to older versions. Types differ in who
    may see what, so only system clients read the history of all.
    """
    sight, key = occasion.caller.sight, query.key
    if sight is None:
        return query
    resource_type = key.type if key is not None else query.type
    if resource_type is None:
        raise Forbidden("Nobody but system clients may read the history of every type")
    if not sight.may("h", resource_type):
        raise Forbidden(f"You may not read older versions of {resource_type} resources")
    conditions = sight.conditions("h", resource_type)
    if any(map(needs_index, conditions)):
        raise InsufficientScope(
            "A scope with parameters does not reach older versions", scope=f"user/{resource_type}.r"
        )
    if key is not None:
        newest = await parts.store.newest(key)
        if newest is None or not await may_see(parts, occasion.caller, "h", newest):
            raise NotFound(f"There is no {key}")
    return msgspec.structs.replace(query, conditions=conditions)
