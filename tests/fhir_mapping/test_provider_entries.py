"""A provider's entries as ours: what means something else here is changed, everything else stays."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest

from domain.identity import ResourceKey
from fhir_mapping.provider_entries import ProviderEntries

Json = dict[str, Any]
BASE = "https://erewhon.example/fhir"
KEY = ResourceKey("Observation", "ours")
ENTRIES = ProviderEntries()
ENTRY: Json = {
    "resourceType": "Observation",
    "id": "o7",
    "meta": {"versionId": "3", "lastUpdated": "2026-01-01T00:00:00Z", "source": "#x", "profile": ["http://x/p"]},
    "status": "final",
    "code": {"text": "Weight"},
    "subject": {"reference": "Patient/r1"},
    "valueQuantity": {"value": Decimal("71.50"), "unit": "kg"},
}


def ours(**given: Any) -> Json:
    names = {"Patient/r1": "Patient/p1", "Encounter/e1": "Encounter/9"}
    return ENTRIES.ours({**ENTRY, **given}, KEY, base=BASE, names=names)


def test_an_entry_has_our_id_and_says_where_it_is_from() -> None:
    content = ours()
    assert (content["id"], content["subject"]) == ("ours", {"reference": "Patient/p1"})
    assert content["meta"] == {"profile": ["http://x/p"], "source": f"{BASE}/Observation/o7"}
    assert content["valueQuantity"] == ENTRY["valueQuantity"]


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("Encounter/e1", "Encounter/9"),
        (f"{BASE}/Encounter/e1", "Encounter/9"),
        ("Encounter/e1/_history/2", "Encounter/9"),
        ("Encounter/e2", f"{BASE}/Encounter/e2"),
        (f"{BASE}/Encounter/e2", f"{BASE}/Encounter/e2"),
        ("Encounter?identifier=7", f"{BASE}/Encounter?identifier=7"),
        ("https://other.example/fhir/Encounter/e1", "https://other.example/fhir/Encounter/e1"),
        ("#inside", "#inside"),
        ("urn:uuid:0d9f6b2e-8a5c-4a43-b4d1-6f0e3f0a7c11", "urn:uuid:0d9f6b2e-8a5c-4a43-b4d1-6f0e3f0a7c11"),
    ],
)
def test_a_reference_never_means_a_resource_of_ours_that_did_not_come_from_there(said: str, means: str) -> None:
    contained = {"resourceType": "Encounter", "id": "inside", "partOf": {"reference": said}}
    content = ours(encounter={"reference": said}, contained=[contained])
    assert content["encounter"] == {"reference": means}
    assert content["contained"][0]["partOf"] == {"reference": means}


def test_addresses_of_files_are_the_providers_and_canonical_urls_stay() -> None:
    extension = {"url": "http://x/e", "valueAttachment": {"url": "Binary/1"}}
    assert ours(extension=[extension])["extension"] == [
        {"url": "http://x/e", "valueAttachment": {"url": f"{BASE}/Binary/1"}}
    ]


def test_a_document_is_from_the_provider_whatever_it_says() -> None:
    mine = {"coding": [{"system": "urn:chartvault:document-source", "code": "DIETICIAN"}]}
    other = {"coding": [{"system": "http://x", "code": "y"}]}
    entry = {"resourceType": "DocumentReference", "id": "d1", "status": "current", "category": [mine, other]}
    content = ENTRIES.ours(entry, ResourceKey("DocumentReference", "d"), base=BASE, names={})
    assert content["category"] == [
        other,
        {"coding": [{"system": "urn:chartvault:document-source", "code": "PHP"}]},
    ]


def test_the_digest_is_that_of_the_content_alone() -> None:
    again = copy.deepcopy(ENTRY)
    again["meta"] |= {"versionId": "4", "lastUpdated": "2026-02-01T00:00:00Z"}
    assert ENTRIES.digest(dict(reversed(again.items()))) == ENTRIES.digest(ENTRY)
    changed = {**ENTRY, "valueQuantity": {"value": Decimal("71.5"), "unit": "kg"}}
    assert ENTRIES.digest(changed) != ENTRIES.digest(ENTRY)  # the digits of a decimal are part of its meaning
    assert ENTRIES.digest({**ENTRY, "meta": {"profile": []}}) != ENTRIES.digest(ENTRY)


@pytest.mark.parametrize(
    "broken", [{}, {"id": 7}, {"id": "a/b"}, {"id": "x", "resourceType": "Nonsense"}, {"id": None}]
)
def test_what_has_no_usable_name_has_none(broken: Json) -> None:
    assert ENTRIES.name({"resourceType": "Observation", **broken}) is None


NEWS: tuple[tuple[Json, Json | None, str | None], ...] = (
    ({"resourceType": "AllergyIntolerance", "code": {"text": "Peanut"}}, None, "Allergy: Peanut"),
    ({"resourceType": "Condition", "code": {"text": "Asthma"}}, None, "Diagnosis: Asthma"),
    (
        {
            "resourceType": "Condition",
            "code": {"text": "Asthma"},
            "verificationStatus": {"coding": [{"code": "entered-in-error"}]},
        },
        None,
        "Withdrawn by the provider: Asthma",
    ),
    (
        {
            "resourceType": "MedicationRequest",
            "status": "stopped",
            "medicationCodeableConcept": {"text": "Simvastatin"},
        },
        {"status": "active"},
        "Medication: Simvastatin (stopped)",
    ),
    (
        {"resourceType": "MedicationRequest", "status": "active", "medicationCodeableConcept": {"text": "Simvastatin"}},
        {"status": "active"},
        None,
    ),
    (
        {
            "resourceType": "Observation",
            "code": {"text": "Potassium"},
            "interpretation": [{"coding": [{"code": "HH"}]}],
        },
        None,
        "Result outside of the normal range: Potassium",
    ),
    (
        {"resourceType": "Observation", "code": {"text": "Potassium"}, "interpretation": [{"coding": [{"code": "N"}]}]},
        None,
        None,
    ),
    ({"resourceType": "DocumentReference", "status": "current", "description": "Letter"}, None, None),
    (
        {
            "resourceType": "DocumentReference",
            "status": "current",
            "description": "Letter",
            "relatesTo": [{"code": "replaces"}],
        },
        None,
        "Replaced document: Letter",
    ),
)


@pytest.mark.parametrize(("content", "before", "said"), NEWS)
def test_only_what_matters_is_worth_telling_of(content: Json, before: Json | None, said: str | None) -> None:
    assert ENTRIES.news(content, before) == said
