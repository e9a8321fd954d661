"""The operations of a FHIRPath Patch as values, read from its Parameters: https://hl7.org/fhir/R4/fhirpatch.html

A value comes as `value[x]` of a named type, as a resource, or, for types without a name (backbone elements), as parts
that hold its elements. What it becomes in JSON depends on the element it is meant for: its name (choices), and whether
it repeats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from domain.errors import InvalidContent, InvalidRequest
from domain.identity import FhirJson
from fhir_mapping.fhirpath import children_of
from fhir_mapping.tables import PRIMITIVES, Element, elements_of

_NEEDED = {
    "add": ("path", "name", "value"),
    "insert": ("path", "index", "value"),
    "delete": ("path",),
    "replace": ("path", "value"),
    "move": ("path", "source", "destination"),
}
_INTEGERS = frozenset({"index", "source", "destination"})


class Value(NamedTuple):
    """A value part. `type` is the FHIR type its name states (`HumanName`), `None` for parts and resources."""

    type: str | None = None
    content: Any = None
    beside: Any = None
    parts: tuple[FhirJson, ...] = ()


class Operation(NamedTuple):
    """One operation. `expression` names it in the Parameters: `Parameters.parameter[2]`."""

    kind: str
    expression: str
    path: str
    name: str = ""
    value: Value = Value()
    position: int = 0
    source: int = 0
    destination: int = 0


def read_operations(parameters: FhirJson) -> list[Operation]:
    """The operations in order. Raises `InvalidRequest` naming the parameter that is not one."""
    rows = parameters.get("parameter", [])
    if type(rows) is not list:
        raise InvalidRequest("Parameters.parameter is a list", code="structure", expression="Parameters.parameter")
    return [_operation(row, f"Parameters.parameter[{number}]") for number, row in enumerate(rows)]


def _operation(row: Any, expression: str) -> Operation:
    if type(row) is not dict or row.get("name") != "operation":
        raise InvalidRequest("A patch holds parameters named 'operation'", code="structure", expression=expression)
    parts = {part["name"]: part for part in _parts(row, expression)}
    kind = _value(parts.get("type", {})).content
    if type(kind) is not str or kind not in _NEEDED:
        raise InvalidRequest("The type of the operation is not known", code="value", expression=expression)
    fields: dict[str, Any] = {}
    for name in _NEEDED[kind]:
        if name not in parts:
            raise InvalidRequest(f"The {kind} operation has no '{name}'", code="required", expression=expression)
        value = _value(parts[name])
        if name == "value":
            fields[name] = value
            continue
        wanted = int if name in _INTEGERS else str
        if type(value.content) is not wanted or (type(value.content) is int and value.content < 0):
            raise InvalidRequest(f"The '{name}' of the operation is malformed", code="value", expression=expression)
        fields["position" if name == "index" else name] = value.content
    return Operation(kind, expression, **fields)


def _parts(row: FhirJson, expression: str) -> tuple[FhirJson, ...]:
    parts = row.get("part", [])
    if type(parts) is list and all(type(part) is dict and type(part.get("name")) is str for part in parts):
        return tuple(parts)
    raise InvalidRequest("A part is an object with a name", code="structure", expression=expression)


def _value(part: FhirJson) -> Value:
    if "resource" in part:
        return Value(content=part["resource"])
    if "part" in part:
        return Value(parts=_parts(part, "Parameters.parameter.part"))
    for name in part:
        stem = name.removeprefix("_")
        if stem.startswith("value") and stem != "value":
            suffix = stem.removeprefix("value")
            lower = suffix[0].lower() + suffix[1:]
            kind = lower if lower in PRIMITIVES else suffix
            return Value(kind, part.get(stem), part.get(f"_{stem}"))
    return Value()


def known_elements(type_name: str) -> Mapping[str, Element]:
    """The elements of a type; none for a primitive or an unknown type (which an earlier operation may have brought)."""
    if type_name in PRIMITIVES:
        return {}
    try:
        return elements_of(type_name)
    except KeyError:
        return {}


def choose(type_name: str, name: str, value: Value, expression: str) -> Element:
    """The element of a type a value is meant for: by name, and for a choice (`value`) by the type of the value."""
    candidates = children_of(type_name, name) or tuple(
        e for e in (known_elements(type_name).get(name),) if e is not None
    )
    fitting = [element for element in candidates if element.choice is None or element.type == value.type]
    if not fitting:
        why = "is not an element of this type" if not candidates else "cannot have a value of this type"
        raise InvalidContent(f"The named element {why}", code="structure", expression=expression)
    return fitting[0]


def as_element(value: Value, element: Element, expression: str) -> tuple[Any, Any]:
    """The JSON for one item of `element`, and what stands beside it (`_name`) when it is a primitive with extensions.

    Named types must fit: https://hl7.org/fhir/R4/fhirpatch.html "Servers SHALL return an error if the type is wrong".
    Among primitives only the form counts, which the check of the result decides (clients send `valueString` for a
    code).
    """
    if value.parts:
        return _built(value.parts, element.type, expression), None
    if value.content is None and value.beside is None:
        raise InvalidContent("The operation has no value", code="required", expression=expression)
    if value.type is not None:
        both_primitive = value.type in PRIMITIVES and element.type in PRIMITIVES
        if value.type != element.type and not both_primitive:
            raise InvalidContent("The value is not of the type of the element", code="structure", expression=expression)
    elif element.type not in ("Resource", "DomainResource"):
        raise InvalidContent("A resource can only be contained", code="structure", expression=expression)
    return value.content, value.beside


def _built(parts: tuple[FhirJson, ...], type_name: str, expression: str) -> FhirJson:
    """An object from parts named like its elements; the name repeats where the element does."""
    built: FhirJson = {}
    if type_name in PRIMITIVES:
        raise InvalidContent("A primitive has no parts", code="structure", expression=expression)
    for part in parts:
        inner = _value(part)
        element = choose(type_name, part["name"], inner, expression)
        value, beside = as_element(inner, element, expression)
        if not element.many:
            if element.name in built:
                raise InvalidContent("A part repeats and its element does not", code="structure", expression=expression)
            built[element.name] = value
            if beside is not None:
                built[f"_{element.name}"] = beside
            continue
        built.setdefault(element.name, []).append(value)
        others = built.get(f"_{element.name}")
        if beside is not None or others is not None:
            others = built.setdefault(f"_{element.name}", [])
            others += [None] * (len(built[element.name]) - 1 - len(others)) + [beside]
    return built
