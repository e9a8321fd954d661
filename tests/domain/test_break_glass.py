"""Who may break the glass, how long it stays broken, and what they have to say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from domain.access import Caller, Role
from domain.break_glass import Grant, Review, new_grant
from domain.errors import Forbidden, InvalidRequest, StepUpRequired

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DOCTOR = Caller(
    "dr", "app", "t", {}, account="dr", roles=frozenset({"DOCTOR"}), second_factor_at=NOW.timestamp() - 60,
    organizations=("Organization/1",),
)  # fmt: skip


def ask(caller: Caller = DOCTOR, *, reason: str = "unconscious in the corridor", minutes: int | None = None) -> Grant:
    return new_grant(caller, grant_id="g", patient="7", reason=reason, minutes=minutes, now=NOW, request_id="r")


def test_a_doctor_gets_a_quarter_of_an_hour_unless_they_ask_for_more() -> None:
    assert ask().until == NOW + timedelta(minutes=15)
    assert ask(minutes=60).until == NOW + timedelta(minutes=60)
    assert ask().organizations == ("Organization/1",)


@pytest.mark.parametrize("minutes", [-5, 0, 14, 61, 100_000])
def test_a_time_outside_of_15_to_60_minutes_is_refused(minutes: int) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        ask(minutes=minutes)
    assert refusal.value.issues[0].expression == "minutes"


@pytest.mark.parametrize("reason", ["", "         \n          ", "too short", "x" * 1001])
def test_a_reason_that_says_nothing_is_refused(reason: str) -> None:
    with pytest.raises(InvalidRequest):
        ask(reason=reason)


@pytest.mark.parametrize("role", ["SUPER_ADMIN", "ADMIN", "PATIENT", "RECEPTIONIST"])
def test_who_treats_nobody_cannot_break_the_glass(role: Role) -> None:
    with pytest.raises(Forbidden):
        ask(msgspec.structs.replace(DOCTOR, roles=frozenset({role})))


def test_a_system_client_cannot_break_the_glass() -> None:
    with pytest.raises(Forbidden):
        ask(msgspec.structs.replace(DOCTOR, account=None))


@pytest.mark.parametrize("age", [None, 301, 86_400, -61])
def test_the_second_factor_must_be_fresh(age: int | None) -> None:
    proved = None if age is None else NOW.timestamp() - age
    with pytest.raises(StepUpRequired):
        ask(msgspec.structs.replace(DOCTOR, second_factor_at=proved))


def test_neither_reason_nor_note_is_printed() -> None:
    grant = msgspec.structs.replace(ask(), review=Review("boss", NOW, "justified", "private note"))
    assert "corridor" not in repr(grant)
    assert "private" not in repr(grant.review)
