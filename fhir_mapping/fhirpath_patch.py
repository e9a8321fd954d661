"""FHIRPath Patch: https://hl7.org/fhir/R4/fhirpatch.html

A Parameters resource that lists operations; each names its place by FHIRPath in the resource as the operations before
it left it. Applied to a copy, one failure fails the patch. Two things follow from FHIR JSON: a primitive's id and
extensions (`_birthDate`, or the same position of `_given`) go where the primitive goes, and what a deletion leaves
empty disappears.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from domain.errors import InvalidContent, TooCostly
from domain.identity import FhirJson
from fhir_mapping.fhirpath import Place, children_of, locate
from fhir_mapping.json_patch import MAX_OPERATIONS, copied
from fhir_mapping.patch_values import Operation, as_element, choose, known_elements, read_operations
from fhir_mapping.tables import Element


def apply_fhirpath_patch(content: FhirJson, parameters: FhirJson) -> FhirJson:
    """The patched copy of `content`.

    Raises `InvalidRequest` for Parameters that are not a patch, `InvalidContent` (naming the operation, never its path,
    which may quote content) when an operation does not fit the resource, `TooCostly` over a limit.
    """
    operations = read_operations(parameters)
    if len(operations) > MAX_OPERATIONS:
        raise TooCostly(f"A FHIRPath Patch may hold {MAX_OPERATIONS} operations")
    root: FhirJson = copied(content)
    for operation in operations:
        _ACTIONS[operation.kind](root, operation)
    return root


class _Spot(NamedTuple):
    """A container inside the resource: an object or array, its FHIR type, and the spot that holds it under `key`."""

    node: Any
    type: str
    above: _Spot | None
    key: str | int


def _fail(operation: Operation, why: str) -> NoReturn:
    raise InvalidContent(f"The {operation.kind} operation {why}", code="processing", expression=operation.expression)


def _one(root: FhirJson, operation: Operation) -> Place:
    places = locate(operation.path, root)
    if len(places) != 1:
        _fail(operation, "must name a single element, and names " + ("none" if not places else "several"))
    return places[0]


def _add(root: FhirJson, operation: Operation) -> None:
    place = _one(root, operation)
    if type(place.value) is dict and place.type is not None:
        _add_to(place.value, place.type, operation)
    elif type(place.parent) is dict and operation.name in ("id", "extension"):
        _add_to(place.parent.setdefault(f"_{place.key}", {}), "Element", operation)
    else:
        _fail(operation, "names an element that has no elements of its own")


def _add_to(node: FhirJson, type_name: str, operation: Operation) -> None:
    element = choose(type_name, operation.name, operation.value, operation.expression)
    alternatives = [e.name for e in children_of(type_name, element.choice)] if element.choice else [element.name]
    value, beside = as_element(operation.value, element, operation.expression)
    if element.many:
        array = node.setdefault(element.name, [])
        _put_item(_Owner(node, element.name, array), len(array), value, beside)
    elif any(name in node or f"_{name}" in node for name in alternatives):
        _fail(operation, "adds an element that exists already and does not repeat")
    else:
        _put(node, element.name, value, beside)


def _replace(root: FhirJson, operation: Operation) -> None:
    place = _one(root, operation)
    if place.parent is None:
        _fail(operation, "cannot replace the whole resource")
    spot = _spot(root, place.parent)
    if type(place.parent) is list:
        owner = _owner(spot)
        element = _declared(_above(spot).type, owner.key, operation)
        value, beside = as_element(operation.value, element, operation.expression)
        _take_item(owner, int(place.key or 0))
        _put_item(owner, int(place.key or 0), value, beside)
        return
    old = _declared(spot.type, str(place.key), operation)
    element = choose(spot.type, old.choice or old.name, operation.value, operation.expression)
    value, beside = as_element(operation.value, element, operation.expression)
    _take(spot.node, old.name)
    _put(spot.node, element.name, value, beside)


def _declared(type_name: str, name: str, operation: Operation) -> Element:
    element = known_elements(type_name).get(name)
    if element is None:
        _fail(operation, "names an element that its type does not have")
    return element


def _delete(root: FhirJson, operation: Operation) -> None:
    places = locate(operation.path, root)
    if not places:
        return  # "Path of the element to delete (if found)", as R4B and R5 say where R4 is silent
    place = _one(root, operation)
    if place.parent is None:
        _fail(operation, "cannot delete the whole resource")
    spot: _Spot | None = _spot(root, place.parent)
    if type(place.parent) is list:
        _take_item(_owner(spot), int(place.key or 0))
    else:
        _take(place.parent, str(place.key))
    while spot is not None and spot.above is not None and not spot.node:
        above = spot.above
        if type(above.node) is list:
            _take_item(_owner(above), int(spot.key))
        else:
            above.node.pop(spot.key, None)
        spot = above


def _insert(root: FhirJson, operation: Operation) -> None:
    owner = _collection(root, operation)
    if owner is None:
        if operation.position != 0:
            _fail(operation, "has an index beyond the end of the list")
        path, _, name = operation.path.rpartition(".")
        _add(root, operation._replace(path=path, name=name))
        return
    if operation.position > len(owner.array):
        _fail(operation, "has an index beyond the end of the list")
    spot = _spot(root, owner.node)
    element = _declared(spot.type, owner.key, operation)
    value, beside = as_element(operation.value, element, operation.expression)
    _put_item(owner, operation.position, value, beside)


def _move(root: FhirJson, operation: Operation) -> None:
    owner = _collection(root, operation)
    if owner is None or max(operation.source, operation.destination) >= len(owner.array):
        _fail(operation, "has an index beyond the end of the list")
    value, beside = _take_item(owner, operation.source)
    _put_item(owner, operation.destination, value, beside)


_ACTIONS: dict[str, Callable[[FhirJson, Operation], None]] = {
    "add": _add,
    "insert": _insert,
    "delete": _delete,
    "replace": _replace,
    "move": _move,
}


class _Owner(NamedTuple):
    """A repeating element: the object it belongs to, its name, its array."""

    node: FhirJson
    key: str
    array: list[Any]


def _collection(root: FhirJson, operation: Operation) -> _Owner | None:
    """The one list the path names, `None` when the resource has no such list (yet)."""
    places = locate(operation.path, root)
    if not places:
        return None
    array = places[0].parent
    if type(array) is not list or any(place.parent is not array for place in places):
        _fail(operation, "must name one list")
    return _owner(_spot(root, array))


def _owner(spot: _Spot | None) -> _Owner:
    above = _above(spot)
    return _Owner(above.node, str(spot.key if spot else ""), spot.node if spot else [])


def _above(spot: _Spot | None) -> _Spot:
    if spot is None or spot.above is None:
        raise AssertionError("a list always belongs to an object")
    return spot.above


def _spot(root: FhirJson, wanted: Any) -> _Spot:
    """Find a container by identity; patches are rare and resources small, so the search needs no index."""
    waiting = [_Spot(root, str(root.get("resourceType", "Resource")), None, "")]
    while waiting:
        spot = waiting.pop()
        if spot.node is wanted:
            return spot
        for key, value, type_name in _inside(spot):
            if type(value) is dict or type(value) is list:
                waiting.append(_Spot(value, type_name, spot, key))
    raise AssertionError("a located element is part of the resource")


def _inside(spot: _Spot) -> Sequence[tuple[str | int, Any, str]]:
    if type(spot.node) is list:
        return [(i, item, _own_type(item, spot.type)) for i, item in enumerate(spot.node)]
    elements = known_elements(spot.type)
    rows: list[tuple[str | int, Any, str]] = []
    for name, value in spot.node.items():
        if name in elements:
            rows.append((name, value, _own_type(value, elements[name].type)))
        elif name.startswith("_"):
            rows.append((name, value, "Element"))
    return rows


def _own_type(value: Any, declared: str) -> str:
    return str(value["resourceType"]) if type(value) is dict and "resourceType" in value else declared


def _put(node: FhirJson, name: str, value: Any, beside: Any) -> None:
    if value is not None:
        node[name] = value
    if beside is not None:
        node[f"_{name}"] = beside


def _take(node: FhirJson, name: str) -> None:
    node.pop(name, None)
    node.pop(f"_{name}", None)


def _put_item(owner: _Owner, index: int, value: Any, beside: Any) -> None:
    """Insert into the array and, where there are primitive extensions, into the array beside it."""
    others = owner.node.get(f"_{owner.key}")
    if others is None and beside is not None:
        others = owner.node[f"_{owner.key}"] = [None] * len(owner.array)
    owner.array.insert(index, value)
    if others is not None:
        others.insert(index, beside)


def _take_item(owner: _Owner, index: int) -> tuple[Any, Any]:
    """Remove one item with what stands beside it; an array beside that only says nothing goes too."""
    value = owner.array.pop(index)
    others = owner.node.get(f"_{owner.key}")
    beside = others.pop(index) if others is not None and index < len(others) else None
    if others is not None and all(other is None for other in others):
        del owner.node[f"_{owner.key}"]
    return value, beside
