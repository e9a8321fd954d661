"""From search expressions to a plan that reads all values of a resource in one walk.

Most search expressions are plain paths with a type or a filter. `routes_of` works such an expression out once, over
the element tables, into `Route`s: JSON keys, filters, and the FHIR type at the end. `Plan` merges the routes of all
parameters of a type into one tree, so that a shared prefix (`code` and `combo-code`) is walked once. The few
expressions that are not paths (`Patient.deceased.exists() and …`) are evaluated by `fhir_mapping.fhirpath`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar

from domain.identity import FhirJson
from fhir_mapping.fhirpath import children_of, evaluate, holds, target_type
from fhir_mapping.fhirpath_syntax import Binary, Call, Expression, Group, Literal, Member, Path, Step, parse
from fhir_mapping.tables import elements_of

Reader = TypeVar("Reader")


class Filter(NamedTuple):
    """A `where(…)` on values of a type. Holds the tree itself, so that equal filters of two parameters are one step."""

    call: Call
    type: str


class Route(NamedTuple):
    """`steps` lead from the resource to values of FHIR `type`; `targets` are what a Reference there may point at."""

    steps: tuple[str | Filter, ...]
    type: str
    targets: frozenset[str] | None = None


@cache
def routes_of(expression: str, resource_type: str) -> tuple[Route, ...] | None:
    """The routes of an expression, `()` when it names nothing of the type, `None` when it is not a set of paths."""
    found = _routes(parse(expression), resource_type)
    return None if found is None else tuple(dict.fromkeys(found))


def _routes(tree: Expression, resource_type: str) -> list[Route] | None:
    match tree:
        case Group("|", operands):
            parts = [_routes(operand, resource_type) for operand in operands]
            return None if None in parts else [route for part in parts if part is not None for route in part]
        case Path(None, (Member("Resource" | "DomainResource"), *steps)):
            return _follow([Route((), resource_type)], steps)
        case Path(None, (Member(name), *steps)) if name == resource_type:
            return _follow([Route((), resource_type)], steps)
        case Path(None, steps):
            return _follow([Route((), resource_type)], steps)
        case Path(head, steps) if head is not None:
            heads = _routes(head, resource_type)
            return None if heads is None else _follow(heads, steps)
        case _:
            return None


def _follow(routes: list[Route], steps: Iterable[Step]) -> list[Route] | None:
    for step in steps:
        match step:
            case Member(name):
                routes = [child for route in routes for child in _members(route, name)]
            case Call("as" | "ofType", type_name=wanted):
                routes = [route for route in routes if route.type == wanted]
            case Call("where"):
                routes = [_filtered(route, step) for route in routes]
            case _:
                return None
    return routes


def _members(route: Route, name: str) -> Iterator[Route]:
    for element in children_of(route.type, name):
        yield Route((*route.steps, element.name), element.type.lstrip("#"), element.targets)


def _filtered(route: Route, step: Call) -> Route:
    wanted = _resolved_type(step)
    return Route((*route.steps, Filter(step, route.type)), route.type, frozenset({wanted}) if wanted else route.targets)


def _resolved_type(step: Call) -> str | None:
    """The type of `where(resolve() is Type)`."""
    match step.arguments:
        case (Path(None, (Call("resolve"), Call("is", type_name=wanted))),):
            return wanted
    return None


@cache
def is_single(resource_type: str, route: Route) -> bool:
    """Whether a resource has at most one value there: no list on the way."""
    owner = resource_type
    for step in route.steps:
        if isinstance(step, str):
            element = elements_of(owner)[step]
            if element.many:
                return False
            owner = element.type.lstrip("#")
    return True


def _predicate(step: Call, type_name: str) -> Callable[[Any], bool]:
    """A filter as a function of one value; the two shapes of the official definitions without evaluation."""
    wanted = _resolved_type(step)
    if wanted is not None:
        return _points_at(wanted)
    match step.arguments:
        case (Binary("=", Path(None, (Member(name),)), Literal(literal)),):
            return lambda value: bool(value.get(name) == literal)
    return lambda value: holds(step.arguments[0], value, type_name)


def _points_at(wanted: str) -> Callable[[Any], bool]:
    start = f"{wanted}/"

    def check(reference: Any) -> bool:
        text = reference.get("reference") if type(reference) is dict else reference
        return (type(text) is str and text.startswith(start)) or target_type(reference) == wanted

    return check


class _Node(Generic[Reader]):
    """One step of the tree: what to read from a value here, and where to go on."""

    __slots__ = ("children", "filters", "readers")

    def __init__(self) -> None:
        self.readers: list[Reader] = []
        self.children: dict[str, _Node[Reader]] = {}
        self.filters: dict[Filter, tuple[Callable[[Any], bool], _Node[Reader]]] = {}

    def at(self, steps: tuple[str | Filter, ...]) -> _Node[Reader]:
        node = self
        for step in steps:
            if isinstance(step, str):
                node = node.children.setdefault(step, _Node())
            else:
                node = node.filters.setdefault(step, (_predicate(*step), _Node()))[1]
        return node


class Plan(Generic[Reader]):
    """All values of a resource type for a set of readers. `Reader` is whatever the caller files under a route."""

    def __init__(self) -> None:
        self._root: _Node[Reader] = _Node()
        self._evaluated: list[tuple[Expression, Callable[[str], Reader]]] = []

    def add(self, route: Route, reader: Reader) -> None:
        self._root.at(route.steps).readers.append(reader)

    def add_evaluated(self, expression: str, reader_of: Callable[[str], Reader]) -> None:
        """File an expression that is not a path; `reader_of` chooses the reader by the FHIR type of each value."""
        self._evaluated.append((parse(expression), reader_of))

    def values(self, content: FhirJson) -> list[tuple[list[Reader], Any]]:
        """Every value any reader is filed for, with its readers. `content` is a checked resource of the plan's type."""
        found: list[tuple[list[Reader], Any]] = []
        _collect(self._root, content, found)
        for tree, reader_of in self._evaluated:
            found += [([reader_of(place.type or "")], place.value) for place in evaluate(tree, content)]
        return found


def _collect(node: _Node[Reader], value: Any, found: list[tuple[list[Reader], Any]]) -> None:
    if node.readers:
        found.append((node.readers, value))
    if node.filters:
        for predicate, child in node.filters.values():
            if predicate(value):
                _collect(child, value, found)
    children = node.children
    if not children:
        return
    for key, inner in value.items():
        child_node = children.get(key)
        if child_node is None:
            continue
        if type(inner) is not list:
            _collect(child_node, inner, found)
        else:
            for item in inner:
                if item is not None:
                    _collect(child_node, item, found)
