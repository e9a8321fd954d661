"""A person's rights as conditions: asked of the database before any limit, and of a plain head for a single resource.

Effective right = rule of the matrix AND relation AND consent AND labels AND scopes. Every part is a condition of the search
language that `domain.matching.fits` decides from a head as well; only scopes with parameters need the index (`terms`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from domain.access import EVERYTHING, NOTHING, Letter, Role, Scope, all_knowing, lists_in
from domain.errors import InvalidRequest
from domain.labels import NEED_GRANT, NEED_TEAM
from domain.matching import Decider, decider
from domain.policy.consent import any_of
from domain.policy.matrix import DIRECTORY, Rule, rules_for
from domain.policy.standing import Standing
from domain.revision import Head
from domain.search import AllOf, Condition, Faceted, IdIn, Labelled, NoneOf, PatientIn, WrittenBy

CLINICAL = frozenset({"team", "lab", "rx"})
"""Relations that a consent of the patient, or breaking the glass, stands in for."""
MOST_OUTCOMES = 1_000
"""Of each type: of most patients a sight says the same."""
Filter = Callable[[str, tuple[tuple[str, str], ...]], tuple[Condition, ...]]
"""The conditions of a scope's parameters on a type. Raises `InvalidRequest` for parameters the type does not have."""


class _About(NamedTuple):
    """What is left of conditions, by which of their lists hold the patients that are named."""

    conditions: tuple[Condition, ...]
    lists: tuple[Collection[str], ...]
    left: dict[tuple[bool, ...], tuple[Condition, ...]]


class PolicySight:
    """`domain.access.Sight`. `standing` is `None` for a client without a person: then scopes alone decide."""

    def __init__(
        self,
        roles: frozenset[Role],
        standing: Standing | None,
        *,
        rights: Callable[[Letter, str], bool],
        scopes: Sequence[Scope] = (),
        patient: str | None = None,
        filters: Filter | None = None,
    ) -> None:
        self.standing = standing
        self._roles = roles
        self._rights = rights
        self._scopes = scopes
        self._patient = patient
        self._filters = filters
        self._known: dict[tuple[str, str], tuple[Condition, ...]] = {}
        self._deciders: dict[tuple[str, str], tuple[tuple[Condition, ...], Decider]] = {}
        self._about: dict[tuple[str, str], _About] = {}
        self._scoped: dict[tuple[str, str], Condition] = {}

    def may(self, letter: Letter, resource_type: str) -> bool:
        return self.standing is None or bool(self.rules(letter, resource_type))

    def rules(self, letter: Letter, resource_type: str) -> tuple[Rule, ...]:
        return rules_for(self._roles, letter, resource_type)

    def conditions(self, letter: Letter, resource_type: str) -> tuple[Condition, ...]:
        scope = self.scope(letter, resource_type)
        plain = self.plain(letter, resource_type)
        return plain if scope == EVERYTHING else (*plain, scope)

    def about(self, letter: Letter, resource_type: str, named: frozenset[str]) -> tuple[Condition, ...]:
        """See `domain.access.Sight.about`. The very same for all of whom it says the same, so that what is made of it stays."""
        conditions = self.conditions(letter, resource_type)
        known = self._about.get((letter, resource_type))
        if known is None or known.conditions is not conditions:
            lists = {id(each): each for condition in conditions for each in lists_in(condition)}
            known = self._about[letter, resource_type] = _About(conditions, tuple(lists.values()), {})
        within = tuple(named.issubset(each) for each in known.lists)
        found = known.left.get(within)
        if found is None:
            if len(known.left) >= MOST_OUTCOMES:
                known.left.clear()
            found = known.left[within] = all_knowing(conditions, named)
        return found

    def plain(self, letter: Letter, resource_type: str) -> tuple[Condition, ...]:
        """What role, relation, consent and labels ask."""
        known = self._known.get((letter, resource_type))
        if known is None:
            found = (*self.stated(letter, resource_type), *self._labels(letter, resource_type))
            known = tuple(each for each in found if each != EVERYTHING)
            self._known[letter, resource_type] = known
        return known

    def stated(self, letter: Letter, resource_type: str) -> tuple[Condition, ...]:
        """What role, relation and consent ask, labels aside: what a new version must fit."""
        if self.standing is None:
            return ()
        rules = self.rules(letter, resource_type)
        allowed = [self.allows(rule, letter, resource_type) for rule in rules]
        allowed = [each for each in allowed if each != NOTHING]
        return any_of(allowed) if allowed else NOTHING, *self._denied(letter, resource_type)

    def _is_own(self, letter: Letter, resource_type: str) -> bool:
        """Whether the rules lead to nothing but the caller's own record, which no consent and no label closes."""
        me = self._person
        return me.own == me.me and all("own" in rule.relations for rule in self.rules(letter, resource_type))

    def sees(self, letter: Letter, head: Head) -> bool:
        """Whether the plain head allows it; `scope` may still ask the index."""
        plain = self.plain(letter, head.key.type)
        known = self._deciders.get((letter, head.key.type))
        if known is None or known[0] is not plain:
            known = self._deciders[letter, head.key.type] = plain, decider(AllOf(plain))
        return known[1](head)

    def scope(self, letter: Letter, resource_type: str) -> Condition:
        """What the token's scopes ask: `EVERYTHING` when one without conditions covers it."""
        known = self._scoped.get((letter, resource_type))
        if known is None:
            known = self._scoped[letter, resource_type] = self._of_scopes(letter, resource_type)
        return known

    def _of_scopes(self, letter: Letter, resource_type: str) -> Condition:
        if self._rights(letter, resource_type):
            return EVERYTHING
        found: list[Condition] = []
        for scope in self._scopes:
            if not scope.covers(letter, resource_type):
                continue
            parts: list[Condition] = []
            if scope.level == "patient":
                parts.append(_in_record(frozenset({self._patient} if self._patient else ()), resource_type))
            if scope.filters:
                parts += self._filtered(resource_type, scope)
            if NOTHING not in parts:
                found.append(parts[0] if len(parts) == 1 else AllOf(tuple(parts)))
        return any_of(found) if found else NOTHING

    def _filtered(self, resource_type: str, scope: Scope) -> tuple[Condition, ...]:
        if self._filters is None:
            return (NOTHING,)
        try:
            return self._filters(resource_type, scope.filters)
        except InvalidRequest:
            return (NOTHING,)

    def allows(self, rule: Rule, letter: Letter, resource_type: str) -> Condition:
        """The resources one rule of the matrix allows; `NOTHING` when the caller has no such relation."""
        parts = [self._related(relation, letter, resource_type) for relation in rule.relations]
        if NOTHING in parts:
            return NOTHING
        if rule.facet is not None:
            parts.append(Faceted(frozenset({rule.facet})))
        if rule.unless is not None:
            parts.append(NoneOf((Faceted(frozenset({rule.unless})),)))
        kept = tuple(each for each in parts if each != EVERYTHING)
        return kept[0] if len(kept) == 1 else AllOf(kept)

    def _related(self, relation: str, letter: Letter, resource_type: str) -> Condition:
        me = self._person
        match relation:
            case "any":
                return EVERYTHING
            case "own":
                return _in_record(me.own, resource_type)
            case "team" | "lab" | "rx":
                treated: frozenset[str] = getattr(me, relation)
                granted = self.granted(letter, resource_type)
                whole = _in_record(treated | granted | me.glass, resource_type)
                return _either((whole, *self._partly(letter, resource_type)))
            case "org":
                own = tuple(each.partition("/")[2] for each in me.organizations)
                itself = IdIn(own) if resource_type == "Organization" and own else NOTHING
                places = me.organizations if resource_type in DIRECTORY else me.places
                named = Faceted(places) if places else NOTHING
                return _either((named, itself, _in_record(me.org, resource_type)))
            case "mine":
                return Faceted(me.names) if me.names else NOTHING
            case "self":
                ids = tuple(sorted(each.partition("/")[2] for each in me.names if each.startswith(f"{resource_type}/")))
                return IdIn(ids) if ids else NOTHING
            case "src":
                return WrittenBy(me.subject)
        return NOTHING

    @property
    def _person(self) -> Standing:
        if self.standing is None:
            raise ValueError("no person stands behind this client")
        return self.standing

    def granted(self, letter: Letter, resource_type: str) -> frozenset[str]:
        """Patients whose consent permits the caller this on everything of the type."""
        return frozenset(
            each.patient
            for each in self._person.effects
            if each.permit and each.touches(letter, resource_type) and each.whole(letter, resource_type)
        )

    def _partly(self, letter: Letter, resource_type: str) -> tuple[Condition, ...]:
        """What consents permit of single resources, or of some labels."""
        return tuple(
            each.condition(letter, resource_type)
            for each in self._person.effects
            if each.permit and each.touches(letter, resource_type) and not each.whole(letter, resource_type)
        )

    def _denied(self, letter: Letter, resource_type: str) -> tuple[Condition, ...]:
        """What consents leave. A patient is never shut out of their own record; an emergency opens it."""
        me = self._person
        if self._is_own(letter, resource_type):
            return ()
        denials = [
            each
            for each in me.effects
            if not each.permit and each.patient not in me.glass and each.touches(letter, resource_type)
        ]
        whole = frozenset(each.patient for each in denials if each.whole(letter, resource_type))
        refused: list[Condition] = [PatientIn(whole)] if whole else []
        refused += [each.condition(letter, resource_type) for each in denials if each.patient not in whole]
        if not refused:
            return ()
        kept = NoneOf(tuple(refused))
        return (any_of((_in_record(me.me, resource_type), kept)) if me.me else kept,)

    def _labels(self, letter: Letter, resource_type: str) -> tuple[Condition, ...]:
        """Clearance: restricted needs a treating relation or the patient, very restricted an explicit grant."""
        if self.standing is None or self._is_own(letter, resource_type):
            return ()
        me = self.standing
        explicit = me.me | self.granted(letter, resource_type) | me.glass
        partly = self._partly(letter, resource_type)
        treating = me.own | me.team | explicit
        very = _either((NoneOf((Labelled(NEED_GRANT),)), _in_record(explicit, resource_type), *partly))
        if all({"own", "team"} & set(rule.relations) for rule in self.rules(letter, resource_type)):
            return (very,)  # The relation says it already.
        return _either((NoneOf((Labelled(NEED_TEAM),)), _in_record(treating, resource_type), *partly)), very


def _in_record(patients: frozenset[str], resource_type: str) -> Condition:
    """The records of these patients. A Patient is in its own, whatever links to it."""
    if not patients:
        return NOTHING
    return IdIn(patients) if resource_type == "Patient" else PatientIn(patients)


def _either(conditions: Sequence[Condition]) -> Condition:
    kept = tuple(each for each in conditions if each != NOTHING)
    return any_of(kept) if kept else NOTHING
