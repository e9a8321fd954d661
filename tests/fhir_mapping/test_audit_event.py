"""Events keep the rules of R4 and of the BALP profiles they claim, whatever was recorded and however little is shown."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from domain.audit import ACTIONS
from domain.audit_reading import AuditRecord
from domain.revision import encode
from fhir_mapping.audit_event import audit_event
from fhir_mapping.validation import Validation
from tests.fhir_mapping.balp import BASE, broken_rules

URL = "https://ehr.example.org/fhir"
RECORD = AuditRecord(
    id="0193a1b2c3d4deadbeef00-r-000000000012",
    recorded=datetime(2026, 11, 20, 12, 0, 0, 123000, tzinfo=UTC),
    interaction="read",
    action="R",
    outcome="0",
    status=200,
    subject="dr-a",
    client="app",
    request_id="r-1",
    targets=("Observation/9/2",),
    patients=("7",),
    roles=("DOCTOR",),
    profiles=("Practitioner/a",),
    purpose=("BTG",),
    network="10.0.0.1",
)
PROGRAM = {"roles": (), "profiles": (), "purpose": (), "subject": "app"}
VARIANTS: list[dict[str, Any]] = [
    {},
    PROGRAM,
    {"network": None},
    {"patients": ()},
    {"patients": ("7", "8")},
    {"targets": ()},
    {"targets": ("Patient/7",)},
    {"targets": ("User/0193a1b2", "Session/x y")},
    {"has_query": True, "query": "Patient?name=x"},
    {"has_query": True},
    {"outcome": "4", "status": 404},
    {"outcome": "8", "status": 500, "targets": (), "patients": ()},
]


def record(interaction: str, **fields: Any) -> AuditRecord:
    action = ACTIONS.get(interaction, "E")
    return msgspec.structs.replace(RECORD, interaction=interaction, action=action, **fields)


@pytest.mark.parametrize("interaction", [*ACTIONS, "unknown", "logout", "break-glass"])
def test_every_event_is_valid_and_keeps_the_rules_of_its_profile(interaction: str) -> None:
    validation = Validation()
    for first, second in itertools.combinations_with_replacement(VARIANTS, 2):
        event = audit_event(record(interaction, **{**first, **second}), URL)
        validation.decode(encode(event), "AuditEvent")
        assert validation.second_opinion(event) == []
        assert broken_rules(event) == [], event


@pytest.mark.parametrize(
    ("interaction", "fields", "profile"),
    [
        ("read", {}, "PatientRead"),
        ("vread", {"patients": ()}, "Read"),
        ("create", {}, "PatientCreate"),
        ("update", {}, "PatientUpdate"),
        ("patch", {"patients": ()}, "Update"),
        ("delete", {}, "PatientDelete"),
        ("search-type", {"has_query": True}, "PatientQuery"),
        ("search-type", {"has_query": True, "patients": ("7", "8")}, "Query"),
        ("search-system", {"has_query": True, "patients": ()}, "Query"),
    ],
)
def test_a_success_claims_the_profile_of_its_interaction(
    interaction: str, fields: dict[str, Any], profile: str
) -> None:
    assert audit_event(record(interaction, **fields), URL)["meta"]["profile"] == [BASE + profile]


@pytest.mark.parametrize("fields", [{"outcome": "4", "status": 403}, {"targets": ()}])
def test_what_no_profile_describes_claims_none(fields: dict[str, Any]) -> None:
    assert "profile" not in audit_event(record("read", **fields), URL)["meta"]


def test_the_reader_is_the_destination_and_the_writer_the_source() -> None:
    read, written = audit_event(record("read"), URL), audit_event(record("update"), URL)
    assert read["agent"][0]["type"]["coding"][0]["code"] == "110152"
    assert written["agent"][0]["type"]["coding"][0]["code"] == "110153"


def test_the_rules_find_what_is_broken() -> None:
    event = audit_event(record("search-type", has_query=True), URL)
    for name in ("agent", "entity", "subtype"):
        assert broken_rules({**event, name: event[name][1:]}) != [], name
    assert broken_rules({**event, "outcome": "4"}) == ["outcome is success"]
    assert broken_rules({**event, "action": "R"}) == ["action is E"]
