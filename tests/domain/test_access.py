"""Scopes: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources."""

import pytest

from domain.access import EVERYTHING, NOTHING, Caller, conditional_scopes, knowing, narrow, parse_scopes, require
from domain.errors import Forbidden
from domain.search import AllOf, AnyOf, NoneOf, PatientIn, SearchQuery, WrittenBy


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


def test_partial_scopes_grant_nothing_until_somebody_resolves_them() -> None:
    scopes = "patient/Observation.rs user/Observation.rs?category=http://x|laboratory"
    assert parse_scopes(scopes) == {}
    patient, narrow = conditional_scopes(scopes)
    assert (patient.level, patient.filters) == ("patient", ())
    assert (narrow.type, narrow.filters) == ("Observation", (("category", "http://x|laboratory"),))
    unresolved = Caller("ann", "app", "t1", {}, scopes=(patient, narrow))
    assert not unresolved.may("r", "Observation")


@pytest.mark.parametrize("scope", ["user/Observation.sr", "user/Observation.rs?", "user/Observation.rs?category"])
def test_a_scope_that_is_not_written_as_it_must_grants_nothing(scope: str) -> None:
    assert (parse_scopes(scope), conditional_scopes(scope)) == ({}, ())


def test_what_a_question_says_of_its_patients_is_not_asked_again() -> None:
    panel = PatientIn(frozenset({"a", "b"}))
    assert knowing(panel, frozenset({"a"})) == EVERYTHING
    assert knowing(panel, frozenset({"a", "z"})) == panel
    assert knowing(AllOf((panel, WrittenBy("me"))), frozenset({"a"})) == AllOf((WrittenBy("me"),))
    assert knowing(AnyOf((WrittenBy("me"), panel)), frozenset({"a"})) == EVERYTHING
    assert knowing(NoneOf((panel,)), frozenset({"a"})) == NOTHING
    assert knowing(NoneOf((panel,)), frozenset({"z"})) == NoneOf((panel,))


def test_a_person_whose_rules_nobody_looked_up_may_do_nothing() -> None:
    person = Caller("ann", "app", "t", parse_scopes("user/*.cruds"), account="ann", roles=frozenset({"DOCTOR"}))
    assert not person.may("r", "Patient")
    with pytest.raises(Forbidden):
        narrow(person, SearchQuery("Patient"))
