"""What may be stored in clear: `deploy/LEAKAGE.md`. The canary tests are its proof on the mapping's side."""

from __future__ import annotations

import json
import tarfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.protection import Protection
from domain.revision import encode
from fhir_mapping.outline import PERSONS, POLICY, outline_of
from fhir_mapping.tables import PRIMITIVES, RESOURCE_TYPES, elements_of

CANARY = "canary-chalmers"
NUMBER = 987654321
QUANTITIES = {"Quantity", "Count", "Distance", "Duration", "MoneyQuantity"}
CODED = {
    ("Coding", "system"),
    ("Coding", "code"),
    ("Quantity", "system"),
    ("Quantity", "code"),
    ("Quantity", "value"),
    ("Meta", "profile"),
    ("Reference", "reference"),
}


def spiked(value: Any, type_name: str, name: str = "", element_type: str = "", sealed: bool = False) -> Any:
    """The same resource with a canary in the place of everything that must not be seen."""
    if isinstance(value, list):
        return [spiked(item, type_name, name, element_type, sealed) for item in value]
    if isinstance(value, dict):
        inner = value.get("resourceType", element_type)
        known = elements_of(inner) if inner and inner not in PRIMITIVES else {}
        hidden = sealed or name.startswith("_") or (inner not in POLICY and "." not in inner and name != "")
        hidden = hidden or POLICY.get(inner) is Protection.TOKENS
        return {
            key: item
            if key == "resourceType"
            else spiked(item, inner, key, known[key].type if key in known else "", hidden)
            for key, item in value.items()
        }
    if isinstance(value, bool) or value is None:
        return value
    holder = "Quantity" if type_name in QUANTITIES else type_name
    plain = element_type in ("code", "positiveInt", "unsignedInt") or (holder, name) in CODED
    if plain and not sealed:
        return value
    return CANARY if isinstance(value, str) else NUMBER


def examples(shared: Path) -> list[dict[str, Any]]:
    decoder = msgspec.json.Decoder(float_hook=Decimal)
    with tarfile.open(shared / "data" / "hl7-r4-examples.tar.xz") as archive:
        return [
            decoder.decode(file.read())
            for member in archive
            if member.name.endswith(".json") and (file := archive.extractfile(member)) is not None
        ]


@pytest.mark.slow
def test_no_canary_of_the_official_examples_shows_in_an_outline(shared: Path) -> None:
    seen = set()
    for content in examples(shared):
        kind = content.get("resourceType")
        if kind not in RESOURCE_TYPES:
            continue
        seen.add(kind)
        text = encode(outline_of(spiked(content, "", element_type=kind), kind)).decode()
        assert CANARY not in text, (kind, text)
        assert str(NUMBER) not in text, (kind, text)
    assert len(seen) > 100


def test_no_name_address_phone_identifier_or_birth_date_of_synthetic_patients_shows(shared: Path) -> None:
    for path in sorted((shared / "data" / "synthea-5").glob("*.json")):
        resources = [entry["resource"] for entry in json.loads(path.read_bytes())["entry"]]
        (patient,) = [r for r in resources if r["resourceType"] == "Patient"]
        canaries = {patient["birthDate"], *(line for a in patient["address"] for line in a["line"])}
        canaries |= {part for name in patient["name"] for part in [name["family"], *name["given"]]}
        canaries |= {i["value"] for i in patient["identifier"]} | {t["value"] for t in patient["telecom"]}
        outlines = b"".join(encode(outline_of(r, r["resourceType"])) for r in resources).decode()
        # A reference names the logical id, which some sources also state as an identifier.
        assert not [c for c in canaries - {patient["id"]} if f'"{c}' in outlines or f" {c}" in outlines]


OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "1",
    "meta": {
        "versionId": "3",
        "lastUpdated": "2026-01-31T10:00:00Z",
        "source": "urn:x",
        "profile": ["http://p"],
        "security": [{"system": "http://s", "code": "N", "display": "d"}],
    },
    "text": {"status": "generated", "div": "<div>Muster</div>"},
    "extension": [{"url": "http://x", "valueCode": "secret"}],
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "1-8", "display": "d"}], "text": "t"},
    "subject": {"reference": "Patient/1", "display": "Ada Muster", "identifier": {"value": "756"}},
    "effectiveDateTime": "2026-01-31",
    "valueQuantity": {"value": Decimal("1.00"), "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"},
    "note": [{"text": "free"}],
    "component": [{"code": {"coding": [{"code": "c"}]}, "valueRange": {"low": {"value": 1, "code": "g"}}}],
}


def test_an_outline_is_a_fhir_shaped_part_of_the_resource() -> None:
    assert outline_of(OBSERVATION, "Observation") == {
        "resourceType": "Observation",
        "meta": {"profile": ["http://p"], "security": [{"system": "http://s", "code": "N"}]},
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "1-8"}]},
        "subject": {"reference": "Patient/1"},
        "valueQuantity": {"value": Decimal("1.00"), "system": "http://unitsofmeasure.org", "code": "mg"},
        "component": [{"code": {"coding": [{"code": "c"}]}, "valueRange": {"low": {"value": 1, "code": "g"}}}],
    }


def test_an_outline_does_not_change_when_the_server_stamps_the_resource() -> None:
    bare = {k: v for k, v in OBSERVATION.items() if k != "id"}
    bare["meta"] = {k: v for k, v in bare["meta"].items() if k not in ("versionId", "lastUpdated")}
    assert outline_of(bare, "Observation") == outline_of(OBSERVATION, "Observation")


@pytest.mark.parametrize("label", ["R", "V"])
def test_a_restricted_resource_shows_its_labels_only(label: str) -> None:
    content = {**OBSERVATION, "meta": {"security": [{"code": "N"}, {"code": label}]}}
    assert outline_of(content, "Observation") == {
        "resourceType": "Observation",
        "meta": {"security": [{"code": "N"}, {"code": label}]},
    }


def test_a_person_shows_nothing_of_the_person() -> None:
    for name in PERSONS:
        content = {
            "resourceType": name,
            "active": True,
            "gender": "female",
            "birthDate": "1970-01-01",
            "deceasedBoolean": True,
            "multipleBirthInteger": 2,
            "maritalStatus": {"coding": [{"code": "M"}]},
            "relationship": [{"coding": [{"code": "WIFE"}]}],
            "communication": [{"language": {"coding": [{"code": "rm"}]}}],
            "contact": [{"gender": "male"}],
            "language": "rm",
        }
        assert outline_of(content, name) == {"resourceType": name, "active": True}


def test_persons_show_where_they_belong() -> None:
    content = {
        "resourceType": "Patient",
        "managingOrganization": {"reference": "Organization/1", "display": "x"},
        "generalPractitioner": [{"reference": "Practitioner/1"}],
        "link": [{"other": {"reference": "Patient/2"}, "type": "seealso"}],
    }
    assert outline_of(content, "Patient") == {
        **content,
        "managingOrganization": {"reference": "Organization/1"},
    }


@pytest.mark.parametrize(
    "reference",
    [
        "#p1",
        "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
        "https://h.example/Patient/1",
        "Patient?identifier=756",
        "",
    ],
)
def test_only_relative_literal_references_show(reference: str) -> None:
    assert "subject" not in outline_of({**OBSERVATION, "subject": {"reference": reference}}, "Observation")


@pytest.mark.parametrize(
    "quantity",
    [
        {"value": 47, "unit": "years"},
        {"value": 47, "system": "http://unitsofmeasure.org", "code": "a"},
        {"value": 3, "system": "http://unitsofmeasure.org", "code": "mo"},
        {"value": 9, "code": "wk"},
        {"value": 2, "code": "d"},
    ],
)
def test_quantities_that_may_be_an_age_do_not_show(quantity: dict[str, Any]) -> None:
    assert "valueQuantity" not in outline_of({**OBSERVATION, "valueQuantity": quantity}, "Observation")
    condition = {"resourceType": "Condition", "onsetAge": {"value": 47, "code": "mg"}}
    assert outline_of(condition, "Condition") == {"resourceType": "Condition"}


@pytest.mark.parametrize("text", ["Ada Muster", "ada@example.org", "x" * 200, "", 7, None, {"a": 1}])
def test_text_in_the_place_of_a_code_does_not_show(text: Any) -> None:
    content = {"resourceType": "Observation", "status": text, "code": {"coding": [{"code": text}]}}
    assert outline_of(content, "Observation") == {"resourceType": "Observation"}


def test_a_system_that_may_carry_content_does_not_show() -> None:
    for system in ("https://h.example/?patient=Muster", "mailto:ada@example.org", "Ada Muster", "http://x#Muster", 1):
        outline = outline_of({"resourceType": "Basic", "code": {"coding": [{"system": system, "code": "c"}]}}, "Basic")
        assert outline["code"] == {"coding": [{"code": "c"}]}


@pytest.mark.parametrize("kind", ["Bundle", "Parameters", "Binary"])
def test_containers_of_anything_show_nothing(kind: str) -> None:
    content = {
        "type": "collection",
        "contentType": "text/plain",
        "parameter": [{"name": "x", "valueCode": "secret"}],
        "entry": [{"resource": OBSERVATION}],
    }
    assert outline_of(content, kind) == {"resourceType": kind}


def test_contained_resources_do_not_show() -> None:
    content = {"resourceType": "Observation", "contained": [{"resourceType": "Patient", "gender": "male"}]}
    assert outline_of(content, "Observation") == {"resourceType": "Observation"}


def test_an_element_that_repeats_its_own_kind_is_followed() -> None:
    answer = {"answer": [{"valueBoolean": True, "valueString": "x"}]}
    content = {"resourceType": "QuestionnaireResponse", "item": [{"linkId": "1", "item": [{"item": [answer]}]}]}
    assert outline_of(content, "QuestionnaireResponse")["item"] == [
        {"item": [{"item": [{"answer": [{"valueBoolean": True}]}]}]}
    ]


def test_an_outline_shares_nothing_with_the_resource() -> None:
    outline = outline_of(OBSERVATION, "Observation")
    outline["code"]["coding"][0]["code"] = "changed"
    outline["meta"]["profile"].append("x")
    assert OBSERVATION["code"]["coding"][0]["code"] == "1-8"
    assert OBSERVATION["meta"]["profile"] == ["http://p"]


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.just(CANARY + " x")),
    lambda v: st.one_of(st.lists(v, max_size=3), st.dictionaries(st.sampled_from(["coding", "code", "value"]), v)),
    max_leaves=8,
)


@given(st.sampled_from(RESOURCE_TYPES), st.data())
def test_values_of_the_wrong_shape_never_show_and_never_fail(kind: str, data: st.DataObject) -> None:
    names = st.sampled_from([*elements_of(kind), "unknown"])
    content = data.draw(st.dictionaries(names, ANYTHING, max_size=5))
    assert CANARY.encode() not in encode(outline_of(content, kind))
