"""Access to single resources: what a caller may not see answers exactly as what never was.

https://hl7.org/fhir/R4/security.html#authorization. Decided on the plain head, before anything is opened. For callers without
a sight (system clients) nothing is asked here. A write needs the right on the state it replaces and on the one it makes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from domain.access import EVERYTHING, Caller, Letter
from domain.errors import Forbidden, NotFound
from domain.identity import ResourceKey
from domain.interactions.belonging import require_belonging
from domain.interactions.parts import Parts, opened
from domain.matching import fits, holds
from domain.policy.sight import PolicySight
from domain.revision import Change, Description, Head, Stored
from domain.search import IdIn, SearchQuery

_STAMPS = frozenset({"versionId", "lastUpdated"})


async def may_see(parts: Parts, caller: Caller, letter: Letter, stored: Stored) -> bool:
    """Whether the caller may do this with a stored version; scopes with parameters are asked of the index."""
    sight = caller.sight
    if not isinstance(sight, PolicySight):
        return caller.account is None
    head = stored.head
    if not (sight.may(letter, head.key.type) and sight.sees(letter, head)):
        return False
    scope = sight.scope(letter, head.key.type)
    if scope == EVERYTHING:
        return True
    query = SearchQuery(head.key.type, (IdIn((head.key.id,)), scope))
    return bool(await parts.store.keys([query], limit=1))


async def seen(
    parts: Parts, caller: Caller, stored: Stored | None, key: ResourceKey, letter: Letter = "r"
) -> Stored | None:
    """`stored` when the caller may see it, else `None`: as if it had never been."""
    if stored is None or caller.sight is None:
        return stored
    return stored if await may_see(parts, caller, letter, stored) else None


async def base_of(parts: Parts, caller: Caller, stored: Stored | None, key: ResourceKey) -> Stored | None:
    """What a write by id replaces. Who may not see it, or names something unknown, gets `NotFound`: only system clients
    choose ids, so that nobody learns from a write which ids there are."""
    if caller.sight is None:
        return stored
    found = await seen(parts, caller, stored, key)
    if found is None:
        raise NotFound(f"There is no {key}")
    return found


async def visible(parts: Parts, caller: Caller, stored: Sequence[Stored], letter: Letter = "r") -> list[Stored]:
    """Those of several resources that the caller may see."""
    if caller.sight is None:
        return list(stored)
    return [one for one in stored if await may_see(parts, caller, letter, one)]


async def authorize(parts: Parts, caller: Caller, change: Change, beside: Collection[ResourceKey] = ()) -> None:
    """Raise `Forbidden` unless the caller may make this change to what it replaces, and may have made the result.

    `beside` are resources that the same write creates.
    """
    sight = caller.sight
    if not isinstance(sight, PolicySight):
        return
    key, base = change.revision.key, change.base
    fresh = base is None or base.head.deleted
    letter: Letter = "d" if change.description is None else "c" if fresh else "u"
    if base is not None and not await may_see(parts, caller, "r" if fresh else letter, base):
        raise _refused(key, letter)
    if change.description is None:
        return
    head = _head(change, change.description, caller)
    _require_fits(sight, letter, head, change.description)
    _require_related(sight, letter, head, base)
    await require_belonging(parts, sight, change, beside)
    if letter == "u" and base is not None:
        await _require_elements(parts, sight, head, base, change)


def _head(change: Change, described: Description, caller: Caller) -> Head:
    revision, base = change.revision, change.base
    return Head(
        revision.key,
        revision.version,
        revision.method,
        revision.recorded,
        described.patient,
        labels=described.labels,
        patients=described.patients,
        facets=described.facets,
        source=caller.subject if base is None else base.head.source,
    )


def _require_fits(sight: PolicySight, letter: Letter, head: Head, described: Description) -> None:
    """The new state: labels may be raised beyond what the writer may see, relations and scopes must hold."""
    stated = all(fits(each, head) for each in sight.stated(letter, head.key.type))
    scoped = holds(sight.scope(letter, head.key.type), head, described)
    if not (stated and scoped):
        raise _refused(head.key, letter)


def _require_related(sight: PolicySight, letter: Letter, head: Head, base: Stored | None) -> None:
    """Nobody writes into the record of a patient they have nothing to do with, whatever else the resource names."""
    me = sight.standing
    if me is None:
        return
    before = base.head.patients if base is not None else ()
    known = me.related | sight.granted(letter, head.key.type)
    itself = head.key.id if head.key.type == "Patient" else None
    if any(patient not in known for patient in head.patients if patient not in before and patient != itself):
        raise _refused(head.key, letter)


async def _require_elements(parts: Parts, sight: PolicySight, head: Head, base: Stored, change: Change) -> None:
    """Where every rule that allows the update names elements, nothing else may differ."""
    if sight.standing is None:
        return
    allowing = [
        rule
        for rule in sight.rules("u", head.key.type)
        if fits(sight.allows(rule, "u", head.key.type), base.head)
        and fits(sight.allows(rule, "u", head.key.type), head)
    ]
    if any(rule.only is None for rule in allowing) or change.revision.content is None:
        return
    elements = frozenset().union(*(rule.only or () for rule in allowing))
    old, new = _elements(await opened(parts, base)), _elements(change.revision.content)
    if any(old.get(name) != new.get(name) for name in {*old, *new} if name not in elements):
        raise Forbidden(f"Of this {head.key.type} you may only change: {', '.join(sorted(elements))}")


def _elements(content: bytes) -> dict[str, Any]:
    """The elements of a resource, as text; of `meta` what clients say. A narrative follows its elements."""
    raw = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    found: dict[str, Any] = {name: bytes(value) for name, value in raw.items() if name not in ("meta", "text")}
    meta = msgspec.json.decode(raw.get("meta", b"{}"), type=dict[str, msgspec.Raw])
    found["meta"] = {name: bytes(value) for name, value in meta.items() if name not in _STAMPS}
    return found


def _refused(key: ResourceKey, letter: Letter) -> Forbidden:
    done = {"c": "create this", "u": "update this", "d": "delete this"}.get(letter, "do this to this")
    return Forbidden(f"You may not {done} {key.type}")
