"""Scopes: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources."""

import pytest

from domain.access import Caller, narrow, parse_scopes, require
from domain.errors import Forbidden
from domain.search import SearchQuery


def caller(scopes: str) -> Caller:
    return Caller("ann", "app", "t1", parse_scopes(scopes))


@pytest.mark.parametrize(
    ("scopes", "rights"),
    [
        ("system/*.cruds", {"*": "cruds"}),
        ("user/Patient.rs system/Patient.u", {"Patient": "rsu"}),
        ("system/Observation.read", {"Observation": "rs"}),
        ("system/*.*", {"*": "cruds"}),
        ("user/Patient.write", {"Patient": "cud"}),
    ],
)
def test_scopes_grant_rights(scopes: str, rights: dict[str, str]) -> None:
    assert parse_scopes(scopes) == {name: frozenset(letters) for name, letters in rights.items()}


@pytest.mark.parametrize(
    "scope", ["", "openid", "system/Patient.sr", "patient/*.rs", "system/.r", "system/Patient", "root/*.r", "system/*."]
)
def test_what_is_not_a_scope_grants_nothing(scope: str) -> None:
    assert parse_scopes(scope) == {}


def test_no_rule_means_no() -> None:
    with pytest.raises(Forbidden):
        require(caller("system/Patient.r"), "u", "Patient")
    with pytest.raises(Forbidden):
        require(caller("system/Patient.r"), "r", "Observation")
    require(caller("system/Patient.r"), "r", "Patient")


def test_a_search_needs_the_search_right() -> None:
    with pytest.raises(Forbidden):
        narrow(caller("system/Patient.r"), SearchQuery("Patient"))
    assert narrow(caller("system/Patient.s"), SearchQuery("Patient")) == SearchQuery("Patient")
