"""https://hl7.org/fhir/R4/compartmentdefinition-patient.html: membership and the owner whose key seals."""

from __future__ import annotations

from typing import Any

import pytest

from domain.errors import InvalidRequest, NotFound
from domain.identity import ResourceKey
from domain.search import AnyTerm, IdIn, PatientIn
from fhir_mapping.compartments import membership_of, owning_parameter, says_whose, types_within, within

BASE = "https://emr.example/fhir"


def ref(text: str) -> dict[str, str]:
    return {"reference": text}


def observation(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": "o", **elements}


def resource(resource_type: str, **elements: Any) -> dict[str, Any]:
    return {"resourceType": resource_type, "id": "x", **elements}


A, B = ref("Patient/a"), ref("Patient/b")
CASES: list[tuple[dict[str, Any], str | None, tuple[str, ...]]] = [
    (resource("Patient"), "x", ("x",)),
    (resource("Patient", link=[{"other": B, "type": "refer"}]), "x", ("x", "b")),
    (observation(subject=A), "a", ("a",)),
    (observation(subject=A, performer=[B]), "a", ("a", "b")),
    (observation(performer=[B]), "b", ("b",)),
    (observation(subject=ref("Group/a")), None, ()),
    (observation(subject=ref(f"{BASE}/Patient/a")), "a", ("a",)),
    (observation(subject=ref("https://other.example/fhir/Patient/a")), None, ()),
    (observation(subject=ref("https://other.example/fhir/Patient/a"), performer=[B]), None, ("b",)),
    (observation(subject={"type": "Patient", "identifier": {"value": "a"}}, performer=[B]), None, ("b",)),
    (observation(subject=ref("Patient/a/_history/3")), "a", ("a",)),
    (observation(subject=ref("urn:uuid:1")), None, ()),
    (observation(subject=ref("#a")), None, ()),
    (observation(subject={"identifier": {"value": "a"}}), None, ()),
    (resource("Coverage", beneficiary=A, payor=[B]), "a", ("a", "b")),
    (resource("Appointment", participant=[{"actor": ref("Practitioner/y")}, {"actor": A}]), "a", ("a",)),
    (resource("Appointment", participant=[{"actor": B}, {"actor": A}]), None, ("b", "a")),
    (resource("Group", member=[{"entity": A}, {"entity": B}]), None, ("a", "b")),
    (resource("Communication", subject=A, recipient=[B]), "a", ("a", "b")),
    (resource("ResearchSubject", individual=A), "a", ("a",)),
    (resource("Encounter", subject=A), "a", ("a",)),
    (resource("Practitioner"), None, ()),
    (resource("Parameters"), None, ()),
]


@pytest.mark.parametrize(("content", "owner", "patients"), CASES)
def test_a_resource_belongs_to_these_patients(
    content: dict[str, Any], owner: str | None, patients: tuple[str, ...]
) -> None:
    assert membership_of(content, content["resourceType"], content["id"], BASE) == (owner, patients)


def test_a_new_patient_is_known_by_the_id_it_will_get() -> None:
    assert membership_of({"resourceType": "Patient"}, "Patient", "new", BASE).owner == "new"


def test_only_a_parameter_that_alone_decides_tells_the_owner() -> None:
    assert owning_parameter("Observation", "patient") == "patient"
    assert owning_parameter("Observation", "subject") == "patient"
    assert owning_parameter("Observation", "performer") is None
    assert owning_parameter("Appointment", "patient") is None
    assert owning_parameter("Coverage", "payor") is None


def test_one_element_with_at_most_one_patient_says_whose_a_resource_is() -> None:
    for resource_type in ("Observation", "Condition", "Encounter", "MedicationRequest", "Claim", "Immunization"):
        assert says_whose(resource_type, "patient")
    assert says_whose("Observation", "subject")
    assert not says_whose("Observation", "performer")
    for resource_type in ("Appointment", "Group", "Patient", "Person", "AuditEvent", "Organization"):
        assert not says_whose(resource_type, "patient")


def test_being_in_a_compartment_is_a_condition_of_the_official_parameters() -> None:
    assert within(ResourceKey("Patient", "1"), "Observation") == PatientIn(("1",))
    device = within(ResourceKey("Device", "d"), "Observation")
    assert device == AnyTerm(("subject|ref|Device/d", "device|ref|Device/d"), rank=3)
    assert within(ResourceKey("Device", "d"), "Device") == IdIn(("d",))
    with pytest.raises(InvalidRequest):
        within(ResourceKey("Patient", "1"), "Organization")
    with pytest.raises(NotFound):
        within(ResourceKey("Organization", "1"), "Patient")
    assert {"Patient", "Observation"} <= set(types_within("Patient"))
    assert "Organization" not in types_within("Patient")
