"""The elements of every R4 type, read from the compiled definitions on first use.

https://hl7.org/fhir/R4/elementdefinition.html. A process that only ever sees ten types pays for ten: the JSON is cut
into one undecoded slice per path when the first is asked for (0.5 ms, 0.5 MB), and a slice becomes `Element`s when its
path is asked for. Nothing here changes after that, so what is returned may be shared and kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from fhir_mapping.resource_types import TYPES, added_tables

PRIMITIVES: frozenset[str] = frozenset({
    "base64Binary", "boolean", "canonical", "code", "date", "dateTime", "decimal", "id", "instant",
    "integer", "markdown", "oid", "positiveInt", "string", "time", "unsignedInt", "uri", "url", "uuid", "xhtml",
})  # fmt: skip


class Element(NamedTuple):
    """One JSON property of a type.

    `name` is the JSON name (`valueQuantity`), `type` a FHIR type or the path of a backbone (`Patient.contact`).
    `choice` is the stem of a choice (`value`), of which at most one may be present; when `required`, exactly one.
    `codes` is the closed list of a required binding: codes, or `system|code` where the element holds Codings.
    `targets` are the types a Reference may point at, `None` for any. `simple` marks a SimpleQuantity (no comparator).
    """

    name: str
    type: str
    many: bool
    required: bool
    summary: bool
    codes: frozenset[str] | None
    targets: frozenset[str] | None
    choice: str | None
    simple: bool = False


def elements_of(type_name: str) -> Mapping[str, Element]:
    """The elements of a type (`Patient`, `HumanName`) or backbone path (`Patient.contact`) by JSON name.

    Inherited elements come first, choices are expanded, `resourceType` and the `_x` siblings of primitives are not
    listed. A content reference (`#Observation.referenceRange`) has the path it refers to as its type.
    Raises `KeyError` for a name that is not an R4 type with elements.
    """
    return _elements(type_name.lstrip("#"))


@cache
def _elements(path: str) -> Mapping[str, Element]:
    base, *rows = _ADDED[path] if path in _ADDED else msgspec.json.decode(_slices()[path])
    inherited = _elements(base) if base else {}
    own = {element.name: element for row in rows for element in _expand(*row)}
    return MappingProxyType({**inherited, **own})


def _expand(
    name: str, flags: str, types: str | list[str], codes: str = "", targets: list[str] | None = None
) -> Iterator[Element]:
    many, required, summary, simple = "*" in flags, "!" in flags, "s" in flags, "q" in flags
    closed = _codes(codes) if codes else None
    if isinstance(types, str):
        aimed = frozenset(targets) if targets else None
        yield Element(name, types, many, required, summary, closed, aimed, None, simple)
        return
    stem = name.removesuffix("[x]")
    for each in types:
        aimed = frozenset(targets) if targets and each == "Reference" else None
        listed = closed if each in ("code", "Coding", "CodeableConcept") else None
        yield Element(stem + each[0].upper() + each[1:], each, many, required, summary, listed, aimed, stem, simple)


@cache
def _codes(value_set: str) -> frozenset[str]:
    return frozenset(msgspec.json.decode(_code_slices()[value_set]))


@cache
def _slices() -> dict[str, msgspec.Raw]:
    return _load("structure.json")


@cache
def _code_slices() -> dict[str, msgspec.Raw]:
    return _load("codes.json")


def _load(name: str) -> dict[str, Any]:
    text = files("fhir_mapping").joinpath("definitions", name).read_bytes()
    return msgspec.json.decode(text, type=dict[str, msgspec.Raw])


_ADDED = added_tables()

RESOURCE_TYPES: tuple[str, ...] = tuple(each.name for each in TYPES)
"""The names of the supported resource types: those of R4, sorted, and what `resource_types` adds."""
