"""FHIRPath over FHIR JSON: evaluation with types, and the places a patch changes.

http://hl7.org/fhirpath/N1/, https://hl7.org/fhir/R4/fhirpath.html, https://hl7.org/fhir/R4/fhirpatch.html

Every item carries its FHIR type (from the element tables), so that choice elements (`Observation.value`, stored as
`valueQuantity`) and `as`, `is`, `ofType` resolve by definition, not by guessing at names. This is the general reader;
search indexing compiles the common shapes further (`fhir_mapping.extraction`) and falls back to this one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from domain.errors import InvalidRequest
from domain.identity import FhirJson, parse_reference
from fhir_mapping.fhirpath_syntax import (
    Binary,
    Call,
    Expression,
    Group,
    Index,
    Literal,
    Member,
    Path,
    Step,
    This,
    parse,
)
from fhir_mapping.tables import PRIMITIVES, RESOURCE_TYPES, Element, elements_of

_RESOURCES = frozenset(RESOURCE_TYPES)
_ANY_RESOURCE = frozenset({"Resource", "DomainResource"})


class Place(NamedTuple):
    """A value and where it stands: `parent[key] is value`. `key` is a JSON name, or an index when `parent` is a list.

    The root, literals and what `resolve()` gives have no parent. `type` is the FHIR type (`HumanName`, `date`,
    `Patient.contact`), `None` where the tables do not know it.
    """

    parent: Any
    key: str | int | None
    value: Any
    type: str | None = None


def compile_path(expression: str) -> Callable[[Any], list[Any]]:
    """A function from a resource to the values of `expression`, in document order.

    Raises `InvalidRequest`, naming the expression, for anything outside the subset.
    """
    tree = parse(expression)
    return lambda root: [place.value for place in evaluate(tree, root)]


def locate(expression: str, root: FhirJson) -> list[Place]:
    """Every place of `root` that `expression` names, in document order; empty when there is none.

    Raises `InvalidRequest`, naming the expression, when it cannot be read or gives something that is not part of `root`
    (a literal, a truth value).
    """
    places = evaluate(parse(expression), root)
    if any(place.parent is None and place.value is not root for place in places):
        raise InvalidRequest("The FHIRPath expression does not name an element", expression=expression[:200])
    return places


def evaluate(tree: Expression, root: FhirJson) -> list[Place]:
    """The collection `tree` gives for a resource."""
    return _evaluate(tree, [Place(None, None, root, root.get("resourceType"))], root)


def evaluate_at(tree: Expression, place: Place, root: FhirJson) -> list[Place]:
    """The collection `tree` gives for one element of a resource."""
    return _evaluate(tree, [place], root)


def holds(condition: Expression, value: Any, type_name: str) -> bool:
    """Whether a `where` condition is true of one value."""
    return _boolean(_evaluate(condition, [Place(None, None, value, type_name)], {})) is True


@lru_cache(maxsize=4096)
def children_of(type_name: str, name: str) -> tuple[Element, ...]:
    """The elements a FHIRPath member names: one, all types of a choice (`value`), or none."""
    if type_name in PRIMITIVES:
        return ()
    try:
        elements = elements_of(type_name)
    except KeyError:
        return ()
    one = elements.get(name)
    if one is not None:
        return (one,) if one.choice is None else ()
    return tuple(element for element in elements.values() if element.choice == name)


def type_of(declared: str, value: Any) -> str:
    """The type of a child: as declared, but a contained resource says its own."""
    if declared in _ANY_RESOURCE and type(value) is dict:
        return str(value.get("resourceType", declared))
    return declared


def _evaluate(tree: Expression, context: list[Place], root: FhirJson) -> list[Place]:
    match tree:
        case Path(head, steps):
            return _walk(steps, context if head is None else _evaluate(head, context, root), root, fresh=head is None)
        case Literal(value):
            return [Place(None, None, value)]
        case This():
            return context
        case Binary(operator, left, right):
            return _compare(operator, _evaluate(left, context, root), _evaluate(right, context, root))
        case Group("|", operands):
            return _distinct([place for operand in operands for place in _evaluate(operand, context, root)])
        case Group(operator, operands):
            return _truth(_combine(operator, [_boolean(_evaluate(operand, context, root)) for operand in operands]))


def _walk(steps: Sequence[Step], places: list[Place], root: FhirJson, *, fresh: bool) -> list[Place]:
    for number, step in enumerate(steps):
        match step:
            case Member(name) if number == 0 and fresh and any(_is_type(place, name) for place in places):
                continue  # `Patient.name`: the leading type name is the item itself
            case Member(name):
                places = [child for place in places for child in _children(place, name)]
            case Index(at):
                places = places[at : at + 1]
            case Call():
                places = _FUNCTIONS[step.function](step, places, root)
    return places


def _is_type(place: Place, name: str) -> bool:
    return place.type == name or (name in _ANY_RESOURCE and place.type in _RESOURCES)


def _children(place: Place, name: str) -> list[Place]:
    parent = place.value
    if type(parent) is not dict or place.type is None:
        return _beside_primitive(place, name)
    found: list[Place] = []
    for element in children_of(place.type, name):
        value = parent.get(element.name)
        if type(value) is list:
            found += [Place(value, i, v, type_of(element.type, v)) for i, v in enumerate(value) if v is not None]
        elif value is not None:
            found.append(Place(parent, element.name, value, type_of(element.type, value)))
    return found


def _beside_primitive(place: Place, name: str) -> list[Place]:
    """`Patient.birthDate.extension`: a primitive's own children stand beside it, under `_birthDate`."""
    if type(place.parent) is not dict or name not in ("extension", "id"):
        return []
    beside = place.parent.get(f"_{place.key}")
    return _children(Place(None, None, beside, "Element"), name) if type(beside) is dict else []


def _distinct(places: list[Place]) -> list[Place]:
    """`|` gives each value once; equal values at two places stay two, so that a patch can tell them apart."""
    seen: set[tuple[int, str | int | None]] = set()
    kept: list[Place] = []
    for place in places:
        mark = (id(place.parent), place.key)
        if place.parent is None or mark not in seen:
            seen.add(mark)
            kept.append(place)
    return kept


def _truth(value: bool | None) -> list[Place]:
    return [] if value is None else [Place(None, None, value, "boolean")]


def _boolean(places: list[Place]) -> bool | None:
    """Singleton evaluation: nothing is unknown, one item that is not a boolean counts as true."""
    if not places:
        return None
    value = places[0].value
    return value if type(value) is bool else True


def _combine(operator: str, values: list[bool | None]) -> bool | None:
    """Three-valued `and` / `or`."""
    decisive = operator == "or"
    if decisive in values:
        return decisive
    return None if None in values else not decisive


def _compare(operator: str, left: list[Place], right: list[Place]) -> list[Place]:
    if not left or not right:
        return []
    same = len(left) == len(right) and all(_equal(a.value, b.value) for a, b in zip(left, right, strict=True))
    return _truth(same is (operator == "="))


def _equal(a: Any, b: Any) -> bool:
    """Equality that never takes `true` for `1`."""
    return bool((type(a) is bool) == (type(b) is bool) and a == b)


def _where(call: Call, places: list[Place], root: FhirJson) -> list[Place]:
    condition = call.arguments[0]
    return [place for place in places if _boolean(_evaluate(condition, [place], root)) is True]


def _exists(call: Call, places: list[Place], root: FhirJson) -> list[Place]:
    return _truth(bool(_where(call, places, root) if call.arguments else places))


def _negate(_call: Call, places: list[Place], _root: FhirJson) -> list[Place]:
    known = _boolean(places)
    return _truth(None if known is None else not known)


def _single(_call: Call, places: list[Place], _root: FhirJson) -> list[Place]:
    if len(places) > 1:
        raise InvalidRequest("single() in the FHIRPath expression finds more than one element", code="multiple-matches")
    return places


def _of_type(call: Call, places: list[Place], _root: FhirJson) -> list[Place]:
    return [place for place in places if call.type_name is not None and _is_type(place, call.type_name)]


def _is(call: Call, places: list[Place], _root: FhirJson) -> list[Place]:
    return _truth(_is_type(places[0], call.type_name or "")) if places else []


def _extension(call: Call, places: list[Place], root: FhirJson) -> list[Place]:
    wanted = [place.value for place in _evaluate(call.arguments[0], places[:1], root)]
    found = [child for place in places for child in _children(place, "extension")]
    return [child for child in found if child.value.get("url") in wanted]


def _resolve(_call: Call, places: list[Place], root: FhirJson) -> list[Place]:
    """The target of each reference as far as it can be known here: its type, and its content when it is contained."""
    targets: list[Place] = []
    for place in places:
        text = place.value.get("reference") if type(place.value) is dict else place.value
        if type(text) is str and text.startswith("#"):
            inside = [c for c in root.get("contained", ()) if type(c) is dict and c.get("id") == text[1:]]
            targets += [Place(None, None, c, c.get("resourceType")) for c in inside]
            continue
        kind = target_type(place.value)
        if kind is not None:
            targets.append(Place(None, None, None, kind))
    return targets


def target_type(value: Any) -> str | None:
    """The resource type a Reference (or its text) says it points at."""
    text = value.get("reference") if type(value) is dict else value
    literal = parse_reference(text) if type(text) is str else None
    if literal is not None:
        return literal.key.type
    stated = value.get("type") if type(value) is dict else None
    return stated if type(stated) is str else None


_FUNCTIONS: dict[str, Callable[[Call, list[Place], FhirJson], list[Place]]] = {
    "where": _where,
    "exists": _exists,
    "empty": lambda call, places, root: _truth(not places),
    "not": _negate,
    "first": lambda call, places, root: places[:1],
    "last": lambda call, places, root: places[-1:],
    "single": _single,
    "ofType": _of_type,
    "as": _of_type,
    "is": _is,
    "resolve": _resolve,
    "extension": _extension,
}
