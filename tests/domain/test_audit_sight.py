"""What each role sees of an entry, and why."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from domain.access import Caller, Role
from domain.audit_reading import AuditQuery, AuditRecord, Opening, Scope
from domain.audit_sight import sight_of
from domain.errors import Forbidden

SHARED = AuditRecord(
    id="1",
    recorded=datetime(2026, 11, 20, tzinfo=UTC),
    interaction="transaction",
    action="E",
    outcome="0",
    status=200,
    subject="dr",
    client="app",
    request_id="r",
    targets=("Observation/1/1", "Observation/2/1"),
    patients=("7", "8"),
    organizations=("Organization/1",),
)


def caller(*roles: Role, **fields: tuple[str, ...]) -> Caller:
    return Caller("me", "app", "t", {}, account="me", roles=frozenset(roles), **fields)  # type: ignore[arg-type]


PATIENT = caller("PATIENT", profiles=("Patient/7",))


def test_a_patient_sees_of_a_shared_request_neither_other_patients_nor_what_it_touched() -> None:
    shown = sight_of(PATIENT).shown(SHARED)
    assert shown.patients == ("7",)
    assert shown.targets == ()


def test_a_patient_sees_what_a_request_about_them_alone_touched() -> None:
    alone = msgspec.structs.replace(SHARED, patients=("7",))
    assert sight_of(PATIENT).shown(alone) == alone


def test_a_patient_opens_neither_query_nor_address() -> None:
    assert sight_of(PATIENT).opening(SHARED) == Opening(query=False, network=False)


def test_an_administrator_opens_the_address_and_no_query() -> None:
    admin = sight_of(caller("ADMIN", organizations=("Organization/1",)))
    assert admin.opening(SHARED) == Opening(query=False, network=True)
    assert admin.shown(SHARED) == SHARED


def test_who_asked_opens_their_own_query() -> None:
    mine = msgspec.structs.replace(SHARED, subject="me")
    assert sight_of(caller("NURSE")).opening(mine) == Opening(query=True, network=True)


def test_a_nurse_who_is_a_patient_too_sees_both_and_opens_only_her_own() -> None:
    both = sight_of(caller("NURSE", "PATIENT", profiles=("Patient/7",)))
    assert both.scopes(AuditQuery()) == (Scope(subject="me"), Scope(patients=("7",)))
    assert both.opening(SHARED) == Opening(query=False, network=False)
    assert both.shown(SHARED).patients == ("7",)


def test_a_patient_profile_without_the_role_opens_nothing() -> None:
    with pytest.raises(Forbidden):
        sight_of(caller("RECEPTIONIST", profiles=("Patient/7",)))


@pytest.mark.parametrize("role", ["RECEPTIONIST", "PHARMACIST", "LAB_TECHNICIAN", "ADMIN"])
def test_a_role_without_a_rule_sees_nothing(role: Role) -> None:
    with pytest.raises(Forbidden):
        sight_of(caller(role))
