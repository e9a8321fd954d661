"""https://www.rfc-editor.org/rfc/rfc6902, https://www.rfc-editor.org/rfc/rfc6901, https://hl7.org/fhir/R4/http.html#patch"""

from __future__ import annotations

import contextlib
import copy
import json
import tarfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.decimals import exact
from domain.errors import InvalidContent, InvalidRequest, TooCostly
from fhir_mapping.json_patch import MAX_OPERATIONS, apply_json_patch

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "active": True,
    "name": [{"family": "Muster", "given": ["Ada", "Eva"]}],
    "a/b": 1,
    "m~n": 2,
}


def op(name: str, path: str, **rest: Any) -> dict[str, Any]:
    return {"op": name, "path": path, **rest}


def patched(*operations: dict[str, Any]) -> dict[str, Any]:
    before = copy.deepcopy(PATIENT)
    try:
        return apply_json_patch(PATIENT, list(operations))
    finally:
        assert before == PATIENT, "the input must not change"


def test_the_official_cases(shared: Path) -> None:
    with tarfile.open(shared / "data" / "fhir-test-cases.tar.xz") as archive:
        member = archive.extractfile("fhir-test-cases/r4/patch/json-patch-tests.json")
        assert member is not None
        cases = json.load(member)
    assert len(cases) > 10
    for case in cases:
        if "error" in case:
            with pytest.raises(InvalidContent):
                apply_json_patch(case["doc"], case["patch"])
        else:
            assert apply_json_patch(case["doc"], case["patch"]) == case["expected"], case["comment"]


def test_add_inserts_into_arrays_and_replaces_members() -> None:
    result = patched(op("add", "/name/0/given/1", value="Mia"), op("add", "/name/0/given/-", value="Z"))
    assert result["name"][0]["given"] == ["Ada", "Mia", "Eva", "Z"]
    assert patched(op("add", "/active", value=False))["active"] is False


def test_pointers_unescape_slash_and_tilde() -> None:
    result = patched(op("replace", "/a~1b", value=3), op("remove", "/m~0n"))
    assert (result["a/b"], "m~n" in result) == (3, False)


def test_a_move_within_an_array_counts_after_the_removal() -> None:
    result = patched({"op": "move", "from": "/name/0/given/0", "path": "/name/0/given/1"})
    assert result["name"][0]["given"] == ["Eva", "Ada"]


def test_a_copy_does_not_share_anything_with_its_source() -> None:
    result = patched(
        {"op": "copy", "from": "/name/0", "path": "/name/-"}, op("replace", "/name/1/given/0", value="Other")
    )
    assert [name["given"][0] for name in result["name"]] == ["Ada", "Other"]


def test_removing_the_last_item_removes_the_array() -> None:
    assert "name" not in patched(op("remove", "/name/0"))
    moved = patched({"op": "move", "from": "/name/0", "path": "/contact"})
    assert "name" not in moved
    assert moved["contact"]["family"] == "Muster"


def test_an_array_that_is_filled_again_stays() -> None:
    assert patched(op("remove", "/name/0"), op("add", "/name/-", value={"text": "x"}))["name"] == [{"text": "x"}]


def test_decimals_keep_their_text() -> None:
    assert str(patched(op("add", "/x", value=Decimal("1.00")))["x"]) == "1.00"


def test_numbers_are_compared_by_value_and_never_with_booleans() -> None:
    patched(op("test", "/a~1b", value=Decimal("1.0")))
    patched(op("test", "/a~1b", value=exact("1.0e0")))
    for path, value in (("/a~1b", True), ("/active", 1), ("/a~1b", "1"), ("/a~1b", None)):
        with pytest.raises(InvalidContent) as failure:
            patched(op("test", path, value=value))
        assert failure.value.issues[0].code == "processing"


@pytest.mark.parametrize(
    ("operation", "expression"),
    [
        (op("replace", "/nope/0", value=1), "Patient.nope[0]"),
        (op("remove", "/name/1"), "Patient.name[1]"),
        (op("remove", "/name/-"), "Patient.name"),
        (op("add", "/name/2", value={}), "Patient.name[2]"),
        (op("add", "/name/01", value={}), "Patient"),
        (op("add", "/name/0/given/Ada/x", value=1), "Patient.name[0].given.Ada"),
        (op("add", "/active/x", value=1), "Patient.active.x"),
        (op("test", "/birthDate", value="x"), "Patient.birthDate"),
        ({"op": "copy", "from": "/no", "path": "/b"}, "Patient.no"),
        ({"op": "move", "from": "/name", "path": "/name/0/x"}, "Patient.name[0].x"),
        (op("remove", ""), "Patient"),
        (op("remove", "/Frau Muster, Bern"), "Patient"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(operation: dict[str, Any], expression: str) -> None:
    with pytest.raises(InvalidContent) as failure:
        patched(operation)
    assert failure.value.issues[0].expression == expression
    assert "Muster" not in failure.value.message


@pytest.mark.parametrize(
    "patch",
    [
        {"op": "add"},
        "text",
        None,
        ["x"],
        [{"path": "/a"}],
        [{"op": ["add"], "path": "/a"}],
        [op("merge", "/a")],
        [op("add", "/a")],
        [op("test", "/active")],
        [op("remove", "active")],
        [op("remove", "/a~2")],
        [{"op": "remove", "path": 1}],
        [{"op": "move", "path": "/a"}],
    ],
)
def test_what_is_no_json_patch_is_refused(patch: Any) -> None:
    with pytest.raises(InvalidRequest):
        apply_json_patch(PATIENT, patch)


def test_the_resource_cannot_become_something_else_than_an_object() -> None:
    with pytest.raises(InvalidContent):
        patched(op("replace", "", value=[1]))


def test_too_many_operations_are_refused() -> None:
    with pytest.raises(TooCostly):
        patched(*[op("test", "/active", value=True)] * (MAX_OPERATIONS + 1))


@pytest.mark.slow
def test_copies_cannot_grow_without_bound() -> None:
    doubling = [{"op": "copy", "from": "/name", "path": "/name/-"}] * 60
    with pytest.raises(InvalidRequest):
        patched(*doubling)
    long = [op("add", "/x", value=["y" * 100_000]), *[{"op": "copy", "from": "/x/0", "path": "/x/-"}] * 900]
    with pytest.raises(TooCostly):
        patched(*long)


def test_nesting_cannot_grow_without_bound() -> None:
    deep: Any = 1
    for _ in range(80):
        deep = [deep]
    with pytest.raises(InvalidContent, match="Nested"):
        patched(op("add", "/x", value=deep))
    steps = [op("add", "/b", value={})]
    for _ in range(300):
        steps += [
            {"op": "move", "from": "/b", "path": "/c"},
            op("add", "/b", value={}),
            {"op": "move", "from": "/c", "path": "/b/d"},
        ]
    with pytest.raises(InvalidContent, match="Nested"):
        patched(*steps)


LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.decimals(allow_nan=False))
VALUES = st.recursive(
    LEAVES, lambda v: st.one_of(st.lists(v, max_size=3), st.dictionaries(st.text(max_size=3), v, max_size=3))
)


def places(node: Any, at: str = "") -> list[tuple[str, Any]]:
    found = [(at, node)]
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        found += places(value, f"{at}/{str(key).replace('~', '~0').replace('/', '~1')}")
    return found


@given(st.dictionaries(st.text(max_size=3), VALUES, max_size=4))
def test_testing_every_value_against_itself_changes_nothing(document: dict[str, Any]) -> None:
    tests = [op("test", path, value=value) for path, value in places(document)][:MAX_OPERATIONS]
    assert apply_json_patch(document, tests) == document
    assert apply_json_patch(apply_json_patch(document, tests), tests) == document


@given(st.dictionaries(st.text(max_size=3), VALUES, max_size=4), st.data())
def test_an_arbitrary_patch_succeeds_or_is_refused_and_never_touches_the_input(
    document: dict[str, Any], data: st.DataObject
) -> None:
    paths = st.sampled_from([path for path, _ in places(document)] + ["/-", "/0", "/x/y", "x", "/~"])
    names = st.sampled_from(["add", "remove", "replace", "move", "copy", "test"])
    operation = st.fixed_dictionaries({"op": names, "path": paths, "from": paths, "value": VALUES})
    before = copy.deepcopy(document)
    with contextlib.suppress(InvalidRequest):
        assert isinstance(apply_json_patch(document, data.draw(st.lists(operation, max_size=6))), dict)
    assert document == before
