"""Any one mistake made in a good resource is found, at or above the place where it was made.

https://hl7.org/fhir/R4/json.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InvalidContent
from domain.revision import encode
from fhir_mapping.tables import PRIMITIVES, RESOURCE_TYPES, elements_of
from fhir_mapping.validation import Validation

EXAMPLES = Path(__file__).parent.parent / "examples"
validation = Validation()


def load(name: str) -> Any:
    return json.loads((EXAMPLES / f"{name}.json").read_bytes(), parse_float=Decimal)


def objects(value: Any, type_name: str, path: str) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Every object of a resource with its type and FHIRPath."""
    yield value, type_name, path
    for name, child in value.items():
        element = elements_of(type_name).get(name)
        if element is None or element.type in PRIMITIVES:
            continue
        step = f"{path}.{element.choice or name}"
        for index, each in enumerate(child if element.many else [child]):
            kind = each["resourceType"] if element.type == "Resource" else element.type
            yield from objects(each, kind, f"{step}[{index}]" if element.many else step)


Mistake = Callable[[dict[str, Any], str, st.DataObject], str | None]
"""Spoils one object in place and returns the name of what was spoilt, `None` when it cannot be done there."""


def add_unknown(node: dict[str, Any], kind: str, data: st.DataObject) -> str | None:
    name = data.draw(st.sampled_from(["zzz", "$where", "a.b", "__proto__", "_zzz", "resourceTypes", ""]))
    node[name] = data.draw(st.sampled_from(["x", 1, {}, [], None, {"a": 1}]))
    return name


def spoil(*values: Any) -> Mistake:
    def mistake(node: dict[str, Any], kind: str, data: st.DataObject) -> str | None:
        names = sorted(name for name in node if name != "resourceType")
        if not names:
            return None
        name = data.draw(st.sampled_from(names))
        node[name] = data.draw(st.sampled_from(values))
        return name

    return mistake


def drop_required(node: dict[str, Any], kind: str, data: st.DataObject) -> str | None:
    required = [name for name, e in elements_of(kind).items() if e.required and name in node]
    if not required:
        return None
    name = data.draw(st.sampled_from(required))
    del node[name]
    return name


def wrap_or_unwrap(node: dict[str, Any], kind: str, data: st.DataObject) -> str | None:
    names = sorted(name for name in node if name in elements_of(kind))
    if not names:
        return None
    name = data.draw(st.sampled_from(names))
    node[name] = node[name][0] if elements_of(kind)[name].many else [node[name]]
    return name


MISTAKES = {
    "unknown": add_unknown,
    "null": spoil(None),
    "empty": spoil("", [], {}, [None], [{}], [[]]),
    "number": spoil(Decimal("NaN"), 2**40 * 10**40, Decimal("1e999")),
    "missing": drop_required,
    "cardinality": wrap_or_unwrap,
}


@pytest.mark.parametrize("mistake", MISTAKES)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_one_mistake_is_found_at_or_above_its_place(mistake: str, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(RESOURCE_TYPES))
    content = load(name)
    node, kind, path = data.draw(st.sampled_from(list(objects(content, name, name))))
    spoilt = MISTAKES[mistake](node, kind, data)
    if spoilt is None:
        return
    element = elements_of(kind).get(spoilt)
    place = f"{path}.{element.choice or spoilt if element else spoilt}"
    with pytest.raises(InvalidContent) as refused:
        validation.check(content)
    found = [issue.expression or "" for issue in refused.value.issues]
    assert any(each.startswith(place) or place.startswith(each) for each in found), (place, found)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.sampled_from(["#", "urn:uuid:", "2020-02-30"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["coding", "system", "extension", "url", "valueCode", "id"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_stands_in_a_place_is_accepted_or_refused_and_never_fails(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(RESOURCE_TYPES))
    content = load(name)
    node, kind, _ = data.draw(st.sampled_from(list(objects(content, name, name))))
    prefix = data.draw(st.sampled_from(["", "_"]))
    node[prefix + data.draw(st.sampled_from(sorted(elements_of(kind))))] = data.draw(anything)
    try:
        validation.check(content)
    except InvalidContent:
        return
    assert encode(validation.decode(encode(content), name)) == encode(content)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_moving_values_into_siblings_never_fails(data: st.DataObject) -> None:
    """Invariants may not rely on a value: an element is also present when only its extensions are."""
    name = data.draw(st.sampled_from(RESOURCE_TYPES))
    content = load(name)
    note = {"extension": [{"url": "http://a.example/x", "valueString": "x"}]}
    for node, kind, _ in list(objects(content, name, name)):
        for child in [each for each in node if each in elements_of(kind) and each != "url"]:
            element = elements_of(kind)[child]
            if element.type in PRIMITIVES - {"xhtml"} and data.draw(st.booleans()):
                del node[child]
                node[f"_{child}"] = [note] if element.many else note
    try:
        validation.check(content)
    except InvalidContent:
        return
    assert encode(validation.decode(encode(content), name)) == encode(content)
