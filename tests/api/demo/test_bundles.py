"""The demonstration data: the same everywhere, valid, plausible."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from datetime import date

import pytest

from api.demo.bundles import TODAY, demo_bundles, self_contained_bundles
from domain.identity import FhirJson
from domain.revision import encode
from fhir_mapping.validation import Validation

PROGRAM = """
import hashlib
from api.demo.bundles import demo_bundles
from domain.revision import encode
print(hashlib.sha256(b"".join(map(encode, demo_bundles(5, 7)))).hexdigest())
"""


@pytest.fixture(scope="module")
def bundles() -> list[FhirJson]:
    return list(demo_bundles(20))


@pytest.fixture(scope="module")
def resources(bundles: list[FhirJson]) -> list[FhirJson]:
    return [entry["resource"] for bundle in bundles for entry in bundle["entry"]]


def test_a_seed_gives_the_same_bytes_in_every_process() -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "4"}
    command = [sys.executable, "-c", PROGRAM]
    other = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    assert hashlib.sha256(b"".join(map(encode, demo_bundles(5, 7)))).hexdigest() == other


def test_seeds_give_different_patients() -> None:
    assert [encode(b) for b in demo_bundles(2, 1)] != [encode(b) for b in demo_bundles(2, 2)]


def test_more_patients_leave_the_first_ones_as_they_are() -> None:
    assert list(demo_bundles(5))[:3] == list(demo_bundles(2))


def test_every_resource_is_valid(resources: list[FhirJson]) -> None:
    validation = Validation()
    for resource in resources:
        validation.decode(encode(resource), resource["resourceType"])


def test_an_independent_library_agrees(resources: list[FhirJson]) -> None:
    validation = Validation()
    one_of_each = {resource["resourceType"]: resource for resource in resources}
    assert [issue for resource in one_of_each.values() for issue in validation.second_opinion(resource)] == []


def test_every_reference_leads_somewhere(bundles: list[FhirJson]) -> None:
    known = {f"{e['resource']['resourceType']}/{e['resource']['id']}" for b in bundles for e in b["entry"]}
    for bundle in bundles:
        inside = {entry["fullUrl"] for entry in bundle["entry"]}
        for target in re.findall(rb'"reference":"([^"]+)"', encode(bundle)):
            assert target.decode() in inside | known


def test_entries_are_put_under_their_own_ids_once(bundles: list[FhirJson]) -> None:
    urls = [entry["request"]["url"] for bundle in bundles for entry in bundle["entry"]]
    assert len(urls) == len(set(urls))
    assert {entry["request"]["method"] for bundle in bundles for entry in bundle["entry"]} == {"PUT"}


def test_nothing_happens_before_birth_or_in_the_future(bundles: list[FhirJson]) -> None:
    for bundle in bundles[1:]:
        born = date.fromisoformat(bundle["entry"][0]["resource"]["birthDate"])
        for text in re.findall(rb'"(\d{4}-\d\d-\d\d)', encode(bundle["entry"][1:])):  # type: ignore[arg-type]
            assert born <= date.fromisoformat(text.decode()) <= TODAY


def test_conditions_fit_age_and_sex(bundles: list[FhirJson]) -> None:
    for bundle in [*bundles[1:], *self_contained_bundles(20)]:
        patient = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient")
        found = {
            entry["resource"]["code"]["text"]: entry["resource"]["onsetDateTime"]
            for entry in bundle["entry"]
            if entry["resource"]["resourceType"] == "Condition"
        }
        if patient["gender"] == "male":
            assert not found.keys() & {"Normal pregnancy", "Osteoporosis"}
        else:
            assert "Benign prostatic hyperplasia" not in found
        for name, onset in found.items():
            years = int(onset[:4]) - int(patient["birthDate"][:4])
            assert not (name == "Otitis media" and years > 9)
            assert not (name == "Type 2 diabetes mellitus" and years < 40)


def test_a_chart_has_what_a_clinic_keeps(resources: list[FhirJson]) -> None:
    counts = Counter(resource["resourceType"] for resource in resources)
    assert counts["Patient"] == 20
    assert set(counts) >= {
        *("Organization", "Practitioner", "PractitionerRole", "Location", "Encounter", "Condition", "Observation"),
        *("DiagnosticReport", "MedicationRequest", "AllergyIntolerance", "Immunization", "DocumentReference"),
        *("Claim", "ExplanationOfBenefit"),
    }


def test_vital_signs_are_those_of_the_living(resources: list[FhirJson]) -> None:
    limits = {"8867-4": (40, 170), "8310-5": (35, 39), "2708-6": (90, 100), "39156-5": (11, 40), "8302-2": (40, 205)}
    for resource in resources:
        if resource["resourceType"] == "Observation":
            low, high = limits.get(resource["code"]["coding"][0]["code"], (0, 10_000))
            value = resource.get("valueQuantity", {"value": 1})["value"]
            assert low <= value <= high


def test_self_contained_charts_name_nothing_outside_themselves() -> None:
    for bundle in self_contained_bundles(5):
        assert 126 <= len(bundle["entry"]) <= 267
        assert {entry["request"]["method"] for entry in bundle["entry"]} == {"POST"}
        inside = {entry["fullUrl"] for entry in bundle["entry"]}
        assert {t.decode() for t in re.findall(rb'"reference":"([^"]+)"', encode(bundle))} <= inside


def test_decimals_keep_the_zeros_a_laboratory_prints() -> None:
    text = encode(next(iter(self_contained_bundles(1))))
    assert re.search(rb'"value":\d+\.\d*0[,}]', text)
