"""https://hl7.org/fhir/R4/search.html#summary, https://hl7.org/fhir/R4/search.html#elements"""

from __future__ import annotations

import copy
from typing import Any

import pytest

from domain.errors import InvalidRequest
from fhir_mapping.subset import SUBSETTED, Summary, parse_summary, summarised, with_elements

OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "1",
    "meta": {"versionId": "3", "tag": [{"code": "x"}]},
    "text": {"status": "generated", "div": "<div/>"},
    "extension": [{"url": "http://x", "valueBoolean": True}],
    "modifierExtension": [{"url": "http://m", "valueBoolean": True}],
    "status": "final",
    "_status": {"id": "s"},
    "code": {"text": "Weight"},
    "valueQuantity": {"value": 70},
    "note": [{"text": "free"}],
    "referenceRange": [{"text": "r"}],
    "component": [{"code": {"text": "c"}, "valueInteger": 1, "referenceRange": [{"text": "r"}]}],
}
ALWAYS = {"resourceType", "id", "meta", "modifierExtension", "status", "_status", "code"}


@pytest.mark.parametrize(
    ("summary", "kept"),
    [
        ("true", ALWAYS | {"valueQuantity", "component"}),
        ("text", ALWAYS | {"text"}),
        ("data", set(OBSERVATION) - {"text"}),
        ("count", ALWAYS),
        ("false", set(OBSERVATION)),
    ],
)
def test_each_summary_keeps_what_the_specification_says(summary: Summary, kept: set[str]) -> None:
    before = copy.deepcopy(OBSERVATION)
    assert set(summarised(OBSERVATION, summary)) == kept
    assert before == OBSERVATION


def test_a_summary_reaches_into_elements() -> None:
    (component,) = summarised(OBSERVATION, "true")["component"]
    assert component == {"code": {"text": "c"}, "valueInteger": 1}


def test_a_subset_is_tagged_once_and_says_so_beside_the_other_tags() -> None:
    once = with_elements(OBSERVATION, ["note"])
    assert once["meta"] == {"versionId": "3", "tag": [{"code": "x"}, SUBSETTED]}
    assert with_elements(once, ["note"])["meta"] == once["meta"]
    assert "meta" in with_elements({"resourceType": "Patient"}, ["name"])


def test_the_whole_resource_is_not_tagged() -> None:
    assert summarised(OBSERVATION, "false") is OBSERVATION


@pytest.mark.parametrize(
    "name", ["value", "value[x]", "valueQuantity", "valueQuantity.value", "Observation.value", " value"]
)
def test_an_element_of_a_choice_has_several_names(name: str) -> None:
    assert set(with_elements(OBSERVATION, [name])) == ALWAYS | {"valueQuantity"}


def test_elements_of_other_types_and_unknown_names_are_ignored() -> None:
    assert set(with_elements(OBSERVATION, ["Patient.note", "nothing", ""])) == ALWAYS


def test_an_unknown_summary_is_refused() -> None:
    assert parse_summary("text") == "text"
    with pytest.raises(InvalidRequest, match="_summary"):
        parse_summary("maybe")
