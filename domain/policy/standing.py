"""Who somebody is related to, at one moment: their ties, put together.

Ties come from the resources that state them (`domain/ties.py`); periods decide here, so a team membership that ended a second
ago gives nothing. `until` is when the picture changes by itself, without anybody writing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

import msgspec

from domain.access import Caller
from domain.policy.consent import TREATMENT, Effect, Party, boundaries, effect_of
from domain.ties import EVERYBODY, Tie

FOREVER = 2**62


class Held(NamedTuple):
    """A tie, the resource that states it, and the subject who created that."""

    tie: Tie
    name: str
    source: str | None


class Standing(msgspec.Struct, frozen=True):
    """The relations of one caller. Patients are ids, `places` and `names` are `Type/id`.

    `own` holds who they are (`me`) and whom they act for; `granted` patients have permitted this caller everything of a
    kind by consent, `glass` was broken for. `effects` are the consents that concern the caller.
    """

    subject: str
    names: frozenset[str] = frozenset()
    me: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    team: frozenset[str] = frozenset()
    lab: frozenset[str] = frozenset()
    rx: frozenset[str] = frozenset()
    org: frozenset[str] = frozenset()
    organizations: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()
    glass: frozenset[str] = frozenset()
    effects: tuple[Effect, ...] = ()
    until: int = FOREVER

    def __repr__(self) -> str:
        return f"Standing({self.subject})"

    @property
    def related(self) -> frozenset[str]:
        """Patients in whose records the caller may have something to write."""
        return self.own | self.team | self.lab | self.rx | self.org | self.glass


def actors_of(caller: Caller) -> tuple[str, ...]:
    """Under which names the ties of a caller are found."""
    return tuple(dict.fromkeys((*caller.profiles, *caller.organizations, EVERYBODY)))


def standing_of(caller: Caller, held: Iterable[Held], now: int, glass: frozenset[str] = frozenset()) -> Standing:
    """The relations that these ties give the caller at `now` (microseconds since 1970)."""
    rows = list(dict.fromkeys(held))
    now_held = [row for row in rows if _active(row.tie, now)]
    roles = {row.tie.about for row in now_held if row.tie.bond == "role" and row.tie.actor in caller.profiles}
    mine = {*actors_of(caller), *roles}
    # Of who works at the same place only their schedules count, never whom they treat.
    active = [row for row in now_held if row.tie.actor in mine]
    by_bond: dict[str, set[str]] = {}
    for row in active:
        by_bond.setdefault(row.tie.bond, set()).add(row.tie.about)
    me = frozenset(name.removeprefix("Patient/") for name in caller.profiles if name.startswith("Patient/"))
    teams = {row.name for row in active if row.name.startswith("CareTeam/")}
    party = Party(
        frozenset({*caller.profiles, *caller.organizations, *roles, *teams}), caller.purpose or TREATMENT, now
    )
    consents = [row for row in active if row.tie.bond == "consent" and row.tie.rule is not None]
    found = (_effect(row, party, caller.subject) for row in consents)
    organizations = frozenset(caller.organizations)
    places = organizations | _places(now_held, mine)
    return Standing(
        subject=caller.subject,
        names=frozenset({*caller.profiles, *roles, *_schedules(active, {*caller.profiles, *roles})}),
        me=me,
        own=me | by_bond.get("proxy", set()),
        team=frozenset(by_bond.get("team", ())),
        lab=frozenset(by_bond.get("lab", ())),
        rx=frozenset(by_bond.get("rx", ())),
        org=frozenset(by_bond.get("org", ())),
        organizations=organizations,
        places=places | _schedules(now_held, places),
        glass=glass,
        effects=tuple(dict.fromkeys(each for each in found if each is not None)),
        until=min((edge for row in rows for edge in _edges(row.tie) if edge > now), default=FOREVER),
    )


def _places(rows: Iterable[Held], mine: set[str]) -> frozenset[str]:
    """Who and what is at the caller's organizations. A location is where its own statement says, not that of a role."""
    found = (row for row in rows if row.tie.bond == "place" and row.tie.actor in mine)
    return frozenset(
        row.tie.about
        for row in found
        if not (row.tie.about.startswith("Location/") and row.name.startswith("PractitionerRole/"))
    )


def _schedules(rows: Iterable[Held], names: Collection[str]) -> frozenset[str]:
    """The schedules of somebody: what names those names them."""
    return frozenset(row.tie.about for row in rows if row.tie.actor in names and row.tie.about.startswith("Schedule/"))


def _effect(row: Held, party: Party, subject: str) -> Effect | None:
    """Nobody is permitted anything by a consent they wrote down themselves, but for the patient's own."""
    rule = row.tie.rule
    effect = effect_of(rule, row.tie.about, party) if rule is not None else None
    return None if effect is not None and effect.permit and row.source == subject else effect


def _active(tie: Tie, now: int) -> bool:
    return (tie.low is None or tie.low <= now) and (tie.high is None or now < tie.high)


def _edges(tie: Tie) -> Iterable[int]:
    yield from (each for each in (tie.low, tie.high) if each is not None)
    if tie.rule is not None:
        yield from boundaries(tie.rule)
