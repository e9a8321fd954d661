"""Who may do what: the caller, the rights of a token, and the checks every interaction makes.

Scopes follow SMART App Launch 2.x (https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html): a level, a
resource type or `*`, an ordered subset of `cruds`, and possibly parameters (`?category=…`) that narrow it. No rule means no.
`system/` and `user/` scopes without parameters are `rights`; the others (`patient/` is the record of the launch patient)
are `scopes`. For a person, and for a token with such scopes, `sight` (`domain/policy`) says what is left: scopes only narrow.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias, cast
from urllib.parse import parse_qsl

import msgspec

from domain.errors import Forbidden, InsufficientScope
from domain.search import AllOf, AnyOf, Condition, NoneOf, OfPatients, PatientIn, SearchQuery

EVERYTHING, NOTHING = AllOf(()), AnyOf(())

Right: TypeAlias = Literal["c", "r", "u", "d", "s"]
Letter: TypeAlias = Literal["c", "r", "u", "d", "s", "h"]
"""What a rule of the policy names: the rights of scopes, and `h`, older versions (a scope with `r` covers those)."""
_SCOPE = re.compile(r"(?P<level>system|user|patient)/(?P<type>\*|[A-Z][A-Za-z]+)\.(?P<rights>c?r?u?d?s?)")
_MOST_FILTERS = 10
_ALIASES = {"read": "rs", "write": "cud", "*": "cruds"}
_WORDS = {"c": "create", "r": "read", "u": "update", "d": "delete", "s": "search"}


Role: TypeAlias = Literal[
    "SUPER_ADMIN",
    "ADMIN",
    "DOCTOR",
    "NURSE",
    "PATIENT",
    "RECEPTIONIST",
    "PHARMACIST",
    "LAB_TECHNICIAN",
    "DIETICIAN",
]


class Scope(msgspec.Struct, frozen=True):
    """One scope as granted. `filters` are the search parameters that narrow it."""

    level: Literal["system", "user", "patient"]
    type: str
    letters: frozenset[str]
    filters: tuple[tuple[str, str], ...] = ()

    def covers(self, letter: Letter, resource_type: str) -> bool:
        return ("r" if letter == "h" else letter) in self.letters and self.type in ("*", resource_type)


class Sight(Protocol):
    """What somebody may do, resolved for one request. Implemented by `domain.policy.sight`."""

    def may(self, letter: Letter, resource_type: str) -> bool:
        """Whether there is a rule at all. False tells nothing about what is stored."""
        ...

    def conditions(self, letter: Letter, resource_type: str) -> tuple[Condition, ...]:
        """What must hold of each resource; nothing is selected when the rules leave nothing."""
        ...

    def about(self, letter: Letter, resource_type: str, named: frozenset[str]) -> tuple[Condition, ...]:
        """`conditions` for resources in the compartment of one of the patients `named`: without what that decides."""
        ...


class Caller(msgspec.Struct, frozen=True):
    """Who is asking. `rights` maps a resource type or `*` to the letters granted; `network` is the peer's address.

    A person has an `account`, which says what `roles` they hold, who they are in the records (`profiles`, such as
    `Practitioner/1`) and where they work (`organizations`). A system client has none and holds what its scopes grant.
    `patient` is the launch context, `authenticated_at` and `second_factor_at` are seconds since 1970, `purpose` are the
    purposes of use this request was made for.
    """

    subject: str
    client: str
    token_id: str
    rights: Mapping[str, frozenset[str]]
    network: str | None = None
    account: str | None = None
    session: str | None = None
    roles: frozenset[Role] = frozenset()
    profiles: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()
    patient: str | None = None
    authenticated_at: float | None = None
    second_factor_at: float | None = None
    purpose: frozenset[str] = frozenset()
    scopes: tuple[Scope, ...] = ()
    sight: Sight | None = None

    def may(self, right: Right, resource_type: str) -> bool:
        """Whether the token and, for a person, the rules allow this on any resource of the type.

        A person whose rules nobody has looked up may do nothing.
        """
        if self.sight is None:
            return self.account is None and self.scoped(right, resource_type)
        return self.scoped(right, resource_type) and self.sight.may(right, resource_type)

    def scoped(self, right: Right, resource_type: str) -> bool:
        """Whether the token's scopes allow this on any resource of the type, whatever the rules say."""
        if right in self.rights.get(resource_type, ()) or right in self.rights.get("*", ()):
            return True
        # Scopes with conditions count only once somebody has resolved them.
        return self.sight is not None and any(scope.covers(right, resource_type) for scope in self.scopes)


def parse_scopes(text: str) -> dict[str, frozenset[str]]:
    """The rights a space-separated scope string grants; unknown scopes grant nothing, v1 forms are aliases."""
    rights: dict[str, set[str]] = {}
    for scope in read_scopes(text):
        if scope.level != "patient" and not scope.filters:
            rights.setdefault(scope.type, set()).update(scope.letters)
    return {name: frozenset(letters) for name, letters in rights.items()}


def background(work: str) -> Caller:
    """The program itself, at work that nobody asks for; `work` is who the audit trail names."""
    return Caller(work, "chartvault-server", "background", parse_scopes("system/*.cruds"))


def conditional_scopes(text: str) -> tuple[Scope, ...]:
    """The scopes of a string that grant something only in part: `patient/` ones and those with parameters."""
    return tuple(scope for scope in read_scopes(text) if scope.level == "patient" or scope.filters)


def read_scopes(text: str) -> list[Scope]:
    """Every scope on resources in a space-separated string; what is none is left out."""
    found = (read_scope(each) for each in text.split())
    return [scope for scope in found if scope is not None]


def read_scope(text: str) -> Scope | None:
    """One scope, v1 forms included; `None` for anything else, letters out of order (`.sr`) too."""
    name, asked, query = text.partition("?")
    head, _, tail = name.rpartition(".")
    found = _SCOPE.fullmatch(f"{head}.{_ALIASES.get(tail, tail)}")
    if found is None or not found["rights"]:
        return None
    filters: list[tuple[str, str]] = []
    if asked:
        try:
            filters = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=_MOST_FILTERS)
        except ValueError:
            return None
        if not filters:
            return None
    level = cast('Literal["system", "user", "patient"]', found["level"])
    return Scope(level, found["type"], frozenset(found["rights"]), tuple(filters))


def require(caller: Caller, right: Right, resource_type: str) -> None:
    """Raise `Forbidden` unless the caller holds `right` on the type."""
    if not caller.may(right, resource_type):
        raise refusal(caller, right, [resource_type], f"to {_WORDS[right]} {resource_type} resources")


def require_scope(caller: Caller, right: Right, resource_type: str) -> None:
    """`require` for a type whose rules are decided elsewhere, such as the audit: only the token's scopes count."""
    if not caller.scoped(right, resource_type):
        raise refusal(caller, right, [resource_type], f"to {_WORDS[right]} {resource_type} resources")


def refusal(caller: Caller, right: Right, types: Sequence[str], what: str) -> Forbidden:
    """The failure of a caller who may do `what` with none of these types: `InsufficientScope` when the scopes of the token
    rule out all of them, whatever the rules say."""
    sentence = f"This token does not allow {what}"
    if any(caller.scoped(right, each) for each in types):
        return Forbidden(sentence)
    level = "system" if caller.account is None else "user" if caller.patient is None else "patient"
    return InsufficientScope(sentence, scope=f"{level}/{types[0] if len(types) == 1 else '*'}.{right}")


def narrow(caller: Caller, query: SearchQuery, right: Right = "s") -> SearchQuery:
    """The query restricted to what the caller may see; raises `Forbidden` when that is nothing by rule.

    Restrictions become conditions of the query itself, before any limit: totals and pages never count what is hidden.
    """
    require(caller, right, query.type)
    if caller.sight is None:
        return query
    named = _named(query)
    added = caller.sight.about(right, query.type, named) if named else caller.sight.conditions(right, query.type)
    return msgspec.structs.replace(query, conditions=(*query.conditions, *added)) if added else query


def _named(query: SearchQuery) -> frozenset[str]:
    """The patients of whom one owns every match, when the query says so."""
    for condition in query.conditions:
        if isinstance(condition, OfPatients) and condition.patients:
            return frozenset(condition.patients)
    return frozenset()


def all_knowing(conditions: Iterable[Condition], named: frozenset[str]) -> tuple[Condition, ...]:
    """`knowing` of each; what is left to ask."""
    return tuple(each for each in (knowing(each, named) for each in conditions) if each != EVERYTHING)


def lists_in(condition: Condition) -> Iterator[Collection[str]]:
    """The lists of patients in a condition: `knowing` depends on nothing but which of them hold all that are named."""
    match condition:
        case PatientIn(patients):
            yield patients
        case AllOf(conditions) | AnyOf(conditions) | NoneOf(conditions):
            for each in conditions:
                yield from lists_in(each)


def knowing(condition: Condition, named: frozenset[str]) -> Condition:
    """The same condition for resources that are in the compartment of one of `named`: what that decides is left out.

    So a question about one patient does not carry the list of all patients of a practitioner.
    """
    match condition:
        case PatientIn(patients) if named.issubset(patients):
            return EVERYTHING
        case AllOf(conditions):
            parts = [knowing(each, named) for each in conditions]
            return NOTHING if NOTHING in parts else AllOf(tuple(each for each in parts if each != EVERYTHING))
        case AnyOf(conditions):
            parts = [knowing(each, named) for each in conditions]
            return EVERYTHING if EVERYTHING in parts else AnyOf(tuple(each for each in parts if each != NOTHING))
        case NoneOf(conditions):
            parts = [knowing(each, named) for each in conditions]
            if EVERYTHING in parts:
                return NOTHING
            kept = tuple(each for each in parts if each != NOTHING)
            return NoneOf(kept) if kept else EVERYTHING
    return condition
