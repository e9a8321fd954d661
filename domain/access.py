"""Who may do what: the caller, the rights of a token, and the checks every interaction makes.

Scopes follow SMART App Launch 2.x (https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html): `system/` and
`user/` name a resource type or `*` and an ordered subset of `cruds`. No rule means no. `patient/` scopes grant nothing
until a launch context names a patient, so a token that holds only those can do nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from domain.errors import Forbidden
from domain.search import SearchQuery

Right: TypeAlias = Literal["c", "r", "u", "d", "s"]
_SCOPE = re.compile(r"(?P<level>system|user|patient)/(?P<type>\*|[A-Z][A-Za-z]+)\.(?P<rights>c?r?u?d?s?)")
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

    def may(self, right: Right, resource_type: str) -> bool:
        return right in self.rights.get(resource_type, ()) or right in self.rights.get("*", ())


def parse_scopes(text: str) -> dict[str, frozenset[str]]:
    """The rights a space-separated scope string grants; unknown scopes grant nothing, v1 forms are aliases."""
    rights: dict[str, set[str]] = {}
    for scope in text.split():
        head, _, tail = scope.rpartition(".")
        found = _SCOPE.fullmatch(f"{head}.{_ALIASES.get(tail, tail)}")
        if found is None or found["level"] == "patient":
            continue
        rights.setdefault(found["type"], set()).update(found["rights"])
    return {name: frozenset(letters) for name, letters in rights.items() if letters}


def require(caller: Caller, right: Right, resource_type: str) -> None:
    """Raise `Forbidden` unless the caller holds `right` on the type."""
    if not caller.may(right, resource_type):
        raise Forbidden(f"This token does not allow to {_WORDS[right]} {resource_type} resources")


def narrow(caller: Caller, query: SearchQuery) -> SearchQuery:
    """The query restricted to what the caller may see; raises `Forbidden` when that is nothing by rule.

    Restrictions become conditions of the query itself, before any limit: totals and pages never count what is hidden.
    """
    require(caller, "s", query.type)
    return query
