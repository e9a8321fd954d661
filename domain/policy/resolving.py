"""A caller becomes a caller with a sight, at every request.

The ties behind a sight are asked for anew each time (`Relations`), which costs one look-up that all waiting requests share;
the compiled sight is kept while they are the same and no period has begun or ended. Breaking the glass is asked for only by
a request that says so (`X-Purpose-Of-Use: BTG`), and is never kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec

from domain.access import NOTHING, Caller, Letter, Role
from domain.grants import Grants
from domain.grounds import Grounds
from domain.policy.sight import Filter, PolicySight
from domain.policy.standing import Held, Standing, actors_of, standing_of
from domain.ports import ParseSearch
from domain.search import AnyTerm, Condition

EMERGENCY = frozenset({"BTG", "ETREAT"})
"""https://terminology.hl7.org/CodeSystem-v3-ActReason.html"""
MOST_KEPT = 5_000
MANAGING: frozenset[Role] = frozenset({"ADMIN", "RECEPTIONIST"})
"""Who keeps the schedules of everybody at their organization."""


class Relations(Protocol):
    """The ties of actors, as stored now. Implemented by `storage.mongo.relations`."""

    async def ties(self, actors: Sequence[str], grounds: Grounds | None = None) -> list[tuple[Held, ...]]:
        """The ties of each actor, in order: the same objects as before while nothing has changed.

        What ended before now may be left out. `grounds` get what the answer rests on. Raises `Unavailable` when the database
        does not answer: no answer is no access.
        """
        ...


class _Kept(NamedTuple):
    actors: tuple[str, ...]
    ties: list[tuple[Held, ...]]
    sight: PolicySight
    until: int


class Policy:
    """Puts sights together."""

    def __init__(
        self, relations: Relations, grants: Grants, search: ParseSearch, clock: Callable[[], datetime]
    ) -> None:
        self._relations = relations
        self._grants = grants
        self._filter = _filter_of(search)
        self._clock = clock
        self._kept: OrderedDict[object, _Kept] = OrderedDict()

    async def resolve(self, caller: Caller, grounds: Grounds | None = None) -> Caller:
        """The caller with what they may see and do now. A client without a person and without partial scopes as it is.
        `grounds` get what a person's sight rests on, unless it is an emergency."""
        if caller.account is None:
            return self._client(caller) if caller.scopes else caller
        grounds = grounds or Grounds()
        sight = await self._sight(caller, grounds)
        if not caller.purpose:
            grounds.said("sight")
        elif not EMERGENCY.isdisjoint(caller.purpose):
            glass = await self._grants.patients(caller.account)
            if glass:
                sight = await self._emergency(caller, glass)
        return msgspec.structs.replace(caller, sight=sight)

    def _client(self, caller: Caller) -> Caller:
        return msgspec.structs.replace(caller, sight=self._compiled(caller, None))

    def _compiled(self, caller: Caller, standing: Standing | None) -> PolicySight:
        rights = caller.rights

        def holds(letter: Letter, resource_type: str) -> bool:
            right = "r" if letter == "h" else letter
            return right in rights.get(resource_type, ()) or right in rights.get("*", ())

        return PolicySight(
            caller.roles,
            standing,
            rights=holds,
            scopes=caller.scopes,
            patient=caller.patient,
            filters=self._filter,
        )

    async def _sight(self, caller: Caller, grounds: Grounds) -> PolicySight:
        key = _identity(caller)
        kept = self._kept.get(key)
        actors = kept.actors if kept is not None else actors_of(caller)
        ties = await self._relations.ties(actors, grounds)
        now = _microseconds(self._clock())
        if kept is not None and now < kept.until and all(a is b for a, b in zip(ties, kept.ties, strict=True)):
            self._kept.move_to_end(key)
            grounds.end(kept.until / 1_000_000)
            return kept.sight
        actors, ties = await self._with_roles(caller, actors, ties, grounds)
        standing = standing_of(caller, [row for rows in ties for row in rows], now)
        grounds.end(standing.until / 1_000_000)
        sight = self._compiled(caller, standing)
        self._kept[key] = _Kept(actors, ties, sight, standing.until)
        self._kept.move_to_end(key)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return sight

    async def _with_roles(
        self, caller: Caller, actors: tuple[str, ...], ties: list[tuple[Held, ...]], grounds: Grounds
    ) -> tuple[tuple[str, ...], list[tuple[Held, ...]]]:
        """Also the ties of the PractitionerRoles that somebody holds: teams may name those. For who manages an organization
        also what belongs to the people and places there: their schedules."""
        base = actors_of(caller)
        bonds = {"role", "place"} if caller.roles & MANAGING else {"role"}
        found = {row.tie.about for rows in ties for row in rows if row.tie.bond in bonds and row.tie.actor in base}
        wanted = tuple(dict.fromkeys((*base, *sorted(found))))
        if wanted == actors:
            return actors, ties
        return wanted, await self._relations.ties(wanted, grounds)

    async def _emergency(self, caller: Caller, glass: frozenset[str]) -> PolicySight:
        kept = self._kept[_identity(caller)]
        held = [row for rows in kept.ties for row in rows]
        return self._compiled(caller, standing_of(caller, held, _microseconds(self._clock()), glass))


def _identity(caller: Caller) -> object:
    """Everything but ties and time that a sight depends on."""
    return (
        caller.account,
        caller.subject,
        caller.roles,
        caller.profiles,
        caller.organizations,
        caller.patient,
        caller.purpose,
        caller.scopes,
        tuple(caller.rights.items()),
    )


def _filter_of(search: ParseSearch) -> Filter:
    def conditions(resource_type: str, pairs: tuple[tuple[str, str], ...]) -> tuple[Condition, ...]:
        """Only what the index decides exactly: tokens, references and the like. Anything else grants nothing."""
        parsed = search.parse(resource_type, pairs, strict=True)
        found = parsed.query.conditions
        exact = all(isinstance(each, AnyTerm) and not each.negated for each in found)
        return found if found and exact else (NOTHING,)

    return conditions


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)
