"""What resources state about who is related to whom, and which facets they have."""

from __future__ import annotations

import pytest

from domain.identity import FhirJson, ResourceKey
from domain.ties import EVERYBODY, Tie
from fhir_mapping.access_facets import facets_of
from fhir_mapping.search_values.moments import covered
from fhir_mapping.sensitivity import sensitivity_of
from fhir_mapping.ties import ties_of

JANUARY = covered("2026-01")
DR = {"reference": "Practitioner/1"}


def ties(kind: str, content: FhirJson) -> tuple[Tie, ...]:
    return ties_of({"resourceType": kind, **content}, ResourceKey(kind, "x"), ("p",), "https://emr.example/fhir")


def test_a_team_gives_each_member_the_time_both_periods_share() -> None:
    member = {"member": DR, "period": {"start": "2026-01"}}
    team = {"status": "active", "participant": [member], "period": {"end": "2026-01"}}
    assert ties("CareTeam", team) == (Tie("Practitioner/1", "team", "p", *JANUARY),)
    assert ties("CareTeam", {**team, "status": "inactive"}) == ()


@pytest.mark.parametrize(("status", "found"), [("in-progress", 1), ("planned", 1), ("finished", 0), ("cancelled", 0)])
def test_an_encounter_treats_while_it_lasts(status: str, found: int) -> None:
    assert len(ties("Encounter", {"status": status, "participant": [{"individual": DR}]})) == found


def test_an_appointment_treats_until_it_ends_unless_declined() -> None:
    booked = {"status": "booked", "end": "2026-01-31T10:00:00Z", "participant": [{"actor": DR, "status": "accepted"}]}
    assert ties("Appointment", booked) == (
        Tie("Practitioner/1", "team", "p", None, covered("2026-01-31T10:00:00Z")[1]),
    )
    assert ties("Appointment", {**booked, "participant": [{"actor": DR, "status": "declined"}]}) == ()


def test_references_to_other_servers_and_fragments_relate_nobody() -> None:
    for text in ("https://else.example/Practitioner/1", "#a", "urn:uuid:1", "Practitioner?identifier=1"):
        assert ties("Patient", {"generalPractitioner": [{"reference": text}]}) == ()
    own = {"reference": "https://emr.example/fhir/Practitioner/1"}
    assert ties("Patient", {"generalPractitioner": [own]}) == (Tie("Practitioner/1", "team", "p"),)


def test_a_consent_that_names_nobody_concerns_everybody() -> None:
    root = {"type": "deny"}
    consent = {"status": "active", "patient": {"reference": "Patient/p"}, "provision": root}
    (tie,) = ties("Consent", consent)
    assert (tie.actor, tie.about, tie.rule is not None and tie.rule.permit) == (EVERYBODY, "p", False)
    named = {
        **consent,
        "provision": {**root, "actor": [{"reference": DR}, {"reference": {"reference": "Practitioner/2"}}]},
    }
    assert [tie.actor for tie in ties("Consent", named)] == ["Practitioner/1", "Practitioner/2"]
    assert ties("Consent", {**consent, "status": "draft"}) == ()


def test_a_consent_may_say_more_than_plain_fields_decide() -> None:
    code = {"coding": [{"code": "x"}]}
    consent = {
        "status": "active",
        "patient": {"reference": "Patient/p"},
        "provision": {"type": "permit", "code": [code]},
    }
    (tie,) = ties("Consent", consent)
    assert tie.rule is not None
    assert tie.rule.vague


def test_a_resource_that_names_hundreds_relates_nobody() -> None:
    members = [{"member": {"reference": f"Practitioner/{n}"}} for n in range(501)]
    assert ties("CareTeam", {"status": "active", "participant": members}) == ()


def test_facets_are_words_of_a_list_and_references_to_staff_and_places() -> None:
    category = [
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}
    ]
    observation = {"status": "final", "category": category, "performer": [{"reference": "Patient/1"}]}
    assert facets_of(observation, "Observation", None) == ("final", "lab", "reported")
    patient = {"managingOrganization": {"reference": "Organization/1"}, "generalPractitioner": [DR]}
    assert facets_of(patient, "Patient", None) == ("Organization/1", "Practitioner/1")
    actors = [{"actor": {"reference": name}} for name in ("Patient/1", "Location/2")]
    assert facets_of({"participant": actors}, "Appointment", None) == ("Location/2",)


@pytest.mark.parametrize(
    ("system", "code", "labels"),
    [
        ("http://hl7.org/fhir/sid/icd-10", "F32.1", {"PSY", "R"}),
        ("http://hl7.org/fhir/sid/icd-10", "F10.2", {"ETH", "R"}),
        ("http://hl7.org/fhir/sid/icd-10", "F52.0", {"SEX", "R"}),
        ("http://hl7.org/fhir/sid/icd-10", "B24", {"HIV", "R"}),
        ("http://snomed.info/sct", "706893006", {"SDV", "R"}),
        ("http://hl7.org/fhir/sid/icd-10", "J45.9", set()),
        ("http://example.org", "F32.1", set()),
    ],
)
def test_codes_call_for_labels(system: str, code: str, labels: set[str]) -> None:
    condition = {"code": {"coding": [{"system": system, "code": code}]}}
    assert {label.partition("|")[2] for label in sensitivity_of(condition, "Condition")} == labels
