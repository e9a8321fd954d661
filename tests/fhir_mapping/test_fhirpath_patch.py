"""https://hl7.org/fhir/R4/fhirpatch.html, with the official cases (XML, turned to JSON here by the element tables)"""

from __future__ import annotations

import contextlib
import copy
import tarfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import DomainError, InvalidContent, InvalidRequest, TooCostly
from fhir_mapping.fhirpath_patch import apply_fhirpath_patch
from fhir_mapping.json_patch import MAX_OPERATIONS
from fhir_mapping.tables import PRIMITIVES, elements_of

FHIR = "{http://hl7.org/fhir}"
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "1",
    "active": True,
    "birthDate": "1970-01-01",
    "_birthDate": {"extension": [{"url": "http://t", "valueTime": "10:00:00"}]},
    "name": [{"family": "Muster", "given": ["Ada", "Eva", "Mia"], "_given": [None, {"id": "g1"}, None]}],
    "contact": [{"name": {"text": "x"}}],
}


def from_xml(node: ElementTree.Element, type_name: str) -> Any:
    """FHIR XML to FHIR JSON, as far as the cases go."""
    if type_name in PRIMITIVES and type_name != "xhtml":
        text = node.get("value", "")
        return {"boolean": lambda: text == "true", "integer": lambda: int(text)}.get(type_name, lambda: text)()
    if type_name == "xhtml":
        return ElementTree.tostring(node, encoding="unicode")
    body: dict[str, Any] = {"url": node.get("url")} if type_name == "Extension" else {}
    for child in node:
        element = elements_of(type_name)[child.tag.rpartition("}")[2]]
        value = from_xml(child, element.type)
        beside = [from_xml(e, "Extension") for e in child] if element.type in PRIMITIVES - {"xhtml"} else []
        if beside:
            body[f"_{element.name}"] = {"extension": beside}
        if element.many:
            body.setdefault(element.name, []).append(value)
        else:
            body[element.name] = value
    return body


def resource(node: ElementTree.Element | None) -> dict[str, Any]:
    assert node is not None
    (root,) = node
    name = root.tag.removeprefix(FHIR)
    return {"resourceType": name, **from_xml(root, name)}


def comparable(content: dict[str, Any]) -> dict[str, Any]:
    """The narrative without its spaces and prefixes, which the cases do not keep."""
    text = content.get("text")
    if text is None:
        return content
    div = ElementTree.tostring(ElementTree.fromstring(text["div"]), encoding="unicode")
    return {**content, "text": {**text, "div": "".join(div.split())}}


def test_the_official_cases(shared: Path) -> None:
    with tarfile.open(shared / "data" / "fhir-test-cases.tar.xz") as archive:
        member = archive.extractfile("fhir-test-cases/r4/patch/fhir-patch-tests.xml")
        assert member is not None
        cases = list(ElementTree.parse(member).getroot().iter("case"))
    assert len(cases) > 30
    for case in cases:
        content, patch = resource(case.find("input")), resource(case.find("diff"))
        if case.find("error") is not None:
            with pytest.raises(InvalidContent):
                apply_fhirpath_patch(content, patch)
        else:
            result = apply_fhirpath_patch(content, patch)
            assert comparable(result) == comparable(resource(case.find("output"))), case.get("name")


def operation(kind: str, **parts: Any) -> dict[str, Any]:
    """`path="…"`, `name="…"`, integers, and `value={"valueX": …}` (or `{"part": […]}`)."""
    rows: list[dict[str, Any]] = [{"name": "type", "valueCode": kind}]
    for name, value in parts.items():
        if isinstance(value, dict):
            rows.append({"name": name, **value})
        else:
            rows.append({"name": name, "valueInteger" if isinstance(value, int) else "valueString": value})
    return {"name": "operation", "part": rows}


def patched(*operations: dict[str, Any], content: dict[str, Any] = PATIENT) -> dict[str, Any]:
    before = copy.deepcopy(content)
    try:
        return apply_fhirpath_patch(content, {"resourceType": "Parameters", "parameter": list(operations)})
    finally:
        assert before == content, "the input must not change"


def test_deleting_a_primitive_deletes_what_stands_beside_it() -> None:
    result = patched(operation("delete", path="Patient.birthDate"))
    assert not {"birthDate", "_birthDate"} & set(result)


def test_replacing_a_primitive_replaces_what_stands_beside_it() -> None:
    value = {"valueDate": "1980", "_valueDate": {"id": "new"}}
    result = patched(operation("replace", path="Patient.birthDate", value=value))
    assert (result["birthDate"], result["_birthDate"]) == ("1980", {"id": "new"})
    result = patched(operation("replace", path="Patient.birthDate", value={"valueDate": "1980"}))
    assert "_birthDate" not in result


def test_extensions_of_items_move_with_their_items() -> None:
    moved = patched(operation("move", path="Patient.name[0].given", source=1, destination=0))["name"][0]
    assert (moved["given"], moved["_given"]) == (["Eva", "Ada", "Mia"], [{"id": "g1"}, None, None])
    inserted = patched(
        operation(
            "insert", path="Patient.name.given", index=0, value={"valueString": "Zoe", "_valueString": {"id": "z"}}
        )
    )["name"][0]
    assert inserted["given"] == ["Zoe", "Ada", "Eva", "Mia"]
    assert inserted["_given"] == [{"id": "z"}, None, {"id": "g1"}, None]
    removed = patched(operation("delete", path="Patient.name.given[1]"))["name"][0]
    assert removed["given"] == ["Ada", "Mia"]
    assert "_given" not in removed


def test_an_extension_can_be_added_to_a_primitive() -> None:
    value = {"valueExtension": {"url": "http://u", "valueCode": "c"}}
    result = patched(operation("add", path="Patient.active", name="extension", value=value))
    assert result["_active"] == {"extension": [{"url": "http://u", "valueCode": "c"}]}


def test_what_a_deletion_leaves_empty_disappears() -> None:
    assert "contact" not in patched(operation("delete", path="Patient.contact[0].name.text"))


def test_deleting_what_is_not_there_changes_nothing() -> None:
    assert patched(operation("delete", path="Patient.maritalStatus")) == PATIENT


OBSERVATION = {"resourceType": "Observation", "status": "final", "code": {"text": "c"}, "valueString": "x"}


def test_a_choice_takes_the_type_of_its_new_value() -> None:
    value = {"valueQuantity": {"value": 1}}
    result = patched(operation("replace", path="Observation.value", value=value), content=OBSERVATION)
    assert "valueString" not in result
    assert result["valueQuantity"] == {"value": 1}
    bare = {"resourceType": "Observation"}
    added = patched(operation("add", path="Observation", name="value", value=value), content=bare)
    assert added["valueQuantity"] == {"value": 1}


def test_a_choice_holds_one_value() -> None:
    value = {"valueQuantity": {"value": 1}}
    with pytest.raises(InvalidContent, match="exists already"):
        patched(operation("add", path="Observation", name="value", value=value), content=OBSERVATION)


def test_a_value_without_a_type_of_its_own_is_built_from_parts() -> None:
    parts = [
        {"name": "relationship", "valueCodeableConcept": {"text": "a"}},
        {"name": "relationship", "valueCodeableConcept": {"text": "b"}},
        {"name": "gender", "valueCode": "male", "_valueCode": {"id": "i"}},
    ]
    result = patched(operation("add", path="Patient", name="contact", value={"part": parts}))
    assert result["contact"][1] == {
        "relationship": [{"text": "a"}, {"text": "b"}],
        "gender": "male",
        "_gender": {"id": "i"},
    }


def test_inserting_into_a_list_that_is_not_there_starts_it() -> None:
    value = {"valueIdentifier": {"value": "1"}}
    assert patched(operation("insert", path="Patient.identifier", index=0, value=value))["identifier"] == [
        {"value": "1"}
    ]
    with pytest.raises(InvalidContent):
        patched(operation("insert", path="Patient.identifier", index=1, value=value))


def test_later_operations_see_what_earlier_ones_did() -> None:
    result = patched(
        operation("replace", path="Patient.name[0].family", value={"valueString": "Neu"}),
        operation("delete", path="Patient.name.where(family = 'Neu')"),
    )
    assert "name" not in result


VALUE = {"valueString": "x"}


@pytest.mark.parametrize(
    "wrong",
    [
        operation("replace", path="Patient.gender", value={"valueCode": "male"}),
        operation("replace", path="Patient.name.given", value=VALUE),
        operation("replace", path="Patient", value=VALUE),
        operation("delete", path="Patient"),
        operation("delete", path="Patient.name.given"),
        operation("add", path="Patient", name="nothing", value=VALUE),
        operation("add", path="Patient", name="birthDate", value={"valueDate": "1980"}),
        operation("add", path="Patient.active", name="x", value=VALUE),
        operation("add", path="Patient", name="contact", value={"valueHumanName": {"text": "x"}}),
        operation("add", path="Patient", name="maritalStatus", value={"valueHumanName": {"text": "x"}}),
        operation("add", path="Patient", name="gender", value={"part": [{"name": "x", **VALUE}]}),
        operation("add", path="Patient", name="gender", value={"resource": {"resourceType": "Patient"}}),
        operation("add", path="Patient", name="contact", value={"part": [{"name": "gender", **VALUE}] * 2}),
        operation("add", path="Patient", name="gender", value={}),
        operation("insert", path="Patient.name.given", index=4, value=VALUE),
        operation("insert", path="Patient.birthDate", index=0, value=VALUE),
        operation("move", path="Patient.name.given", source=0, destination=3),
        operation("move", path="Patient.photo", source=0, destination=0),
    ],
)
def test_what_does_not_fit_is_refused_by_the_place_in_the_parameters(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidContent) as failure:
        patched(operation("delete", path="Patient.active"), wrong)
    assert failure.value.issues[0].expression == "Parameters.parameter[1]"


@pytest.mark.parametrize(
    "parameters",
    [
        {"parameter": {}},
        {"parameter": ["x"]},
        {"parameter": [{"name": "other"}]},
        {"parameter": [{"name": "operation"}]},
        {"parameter": [{"name": "operation", "part": [{"valueCode": "add"}]}]},
        {"parameter": [operation("merge", path="Patient")]},
        {"parameter": [operation("delete")]},
        {"parameter": [operation("delete", path=1)]},
        {"parameter": [operation("delete", path="Patient.name..given")]},
        {"parameter": [operation("delete", path="Patient.explode()")]},
        {"parameter": [operation("insert", path="Patient.name", index=-1, value=VALUE)]},
        {"parameter": [operation("insert", path="Patient.name", index={"valueBoolean": True}, value=VALUE)]},
        {"parameter": [operation("move", path="Patient.name", source=0)]},
    ],
)
def test_what_is_no_fhirpath_patch_is_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        apply_fhirpath_patch(PATIENT, parameters)


def test_too_many_operations_are_refused() -> None:
    with pytest.raises(TooCostly):
        patched(*[operation("delete", path="Patient.photo")] * (MAX_OPERATIONS + 1))


def test_another_resource_cannot_be_reached() -> None:
    content = {"resourceType": "Observation", "subject": {"reference": "Patient/1"}}
    with pytest.raises(DomainError):
        patched(operation("delete", path="Observation.subject.resolve()"), content=content)


PATHS = [
    "Patient",
    "Patient.name",
    "Patient.name[0]",
    "Patient.name.given",
    "Patient.name.given[1]",
    "Patient.birthDate",
    "Patient.birthDate.extension",
    "Patient.birthDate.extension.value",
    "Patient.contact",
    "Patient.contact[0].name",
    "Patient.contained",
    "Patient.contained[0].name",
    "Patient.contained.name[0].family",
    "Patient.deceased",
    "Patient.extension('http://x').value",
    "'text'",
    "Patient.managingOrganization.resolve().name",
]
ANY_VALUE = st.sampled_from(
    [
        {"valueString": "x"},
        {"valueString": ["x"]},
        {"valueHumanName": 5},
        {"valueHumanName": {"given": "x", "family": {"a": 1}, "": 1}},
        {"valueHumanName": {"given": [["x"], {"y": 1}], "_given": [None]}},
        {"valueBoolean": True, "_valueBoolean": {"id": "x"}},
        {"_valueString": {"extension": [{"url": "http://x"}]}},
        {"resource": {"resourceType": "Nope", "name": [{"family": "x"}]}},
        {"resource": {"resourceType": "Organization", "id": "o", "name": "x"}},
        {"resource": {"resourceType": 5, "a": {"b": {}}}},
        {"resource": []},
        {"part": [{"name": "name", "valueHumanName": {"text": "x"}}]},
        {"part": []},
        {},
    ]
)
ANY_OPERATION = st.builds(
    lambda kind, path, name, value, a, b: operation(
        kind, path=path, name=name, value=value, index=a, source=a, destination=b
    ),
    st.sampled_from(["add", "insert", "delete", "replace", "move"]),
    st.sampled_from(PATHS),
    st.sampled_from(["name", "given", "contact", "contained", "deceased", "birthDate", "extension", "id", "", "x"]),
    ANY_VALUE,
    st.integers(0, 2),
    st.integers(0, 2),
)


@given(ANY_VALUE, ANY_VALUE, st.lists(ANY_OPERATION, max_size=4))
def test_an_arbitrary_patch_succeeds_or_is_refused_and_never_touches_the_input(
    contained: dict[str, Any], name: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    spoiled = {**PATIENT}
    for element, value in (("contained", contained), ("name", name)):
        with contextlib.suppress(InvalidRequest):
            spoiled = patched(operation("add", path="Patient", name=element, value=value), content=spoiled)
    with contextlib.suppress(InvalidRequest):
        assert isinstance(patched(*rows, content=spoiled), dict)
