"""What the workloads send: valid, unique, of the stated sizes, linked as stated."""

from __future__ import annotations

import json
import re

from api.bench.bodies import LINKED, Linked, Pairs, Patients, one_field_changed, renamed, with_id
from fhir_mapping.validation import Validation

IDS = {name: f"id-{name.lower()}" for name in LINKED}


def test_patients_are_unique_valid_and_of_2_1_kb() -> None:
    patients, others = Patients(), Patients()
    bodies = [patients.new() for _ in range(50)] + [others.new() for _ in range(50)]
    decoded = [Validation().decode(body, "Patient") for body in bodies]
    assert all(2050 <= len(body) <= 2200 for body in bodies)
    assert len({patient["name"][0]["family"] for patient in decoded}) == 100
    assert len({patient["identifier"][0]["value"] for patient in decoded}) == 100


def test_the_linked_resources_are_valid_and_refer_to_earlier_ones() -> None:
    linked, seen = Linked(), set[str]()
    for name in LINKED:
        body = linked.body(name, IDS)
        Validation().decode(body, name)
        targets = {target.decode() for target in re.findall(rb'"reference":"([^"]+)"', body)}
        assert targets <= {f"{earlier}/{IDS[earlier]}" for earlier in seen}
        seen.add(name)
    for name in ("Encounter", "Observation", "MedicationRequest", "Claim", "ExplanationOfBenefit"):
        assert f"Patient/{IDS['Patient']}".encode() in linked.body(name, IDS)
    assert b"Claim/id-claim" in linked.body("ExplanationOfBenefit", IDS)


def test_updates_change_one_field_and_stay_valid() -> None:
    body = Patients().new()
    before = json.loads(body)
    language = json.loads(with_id(one_field_changed(body), "x"))
    assert {k: v for k, v in language.items() if k not in ("id", "language")} == before
    name = json.loads(with_id(renamed(body, 7), "x"))
    assert name["name"][0]["given"] == ["Greta7", "Amina"]
    Validation().decode(with_id(renamed(body, 7), "x"), "Patient")


def test_a_pair_is_one_transaction_linked_by_its_urn() -> None:
    bundle = json.loads(Pairs(Patients(), Linked()).new())
    patient, observation = bundle["entry"]
    assert observation["resource"]["subject"]["reference"] == patient["fullUrl"]
    assert "encounter" not in observation["resource"]
    for entry in bundle["entry"]:
        Validation().decode(json.dumps(entry["resource"]).encode(), entry["resource"]["resourceType"])
