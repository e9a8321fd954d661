"""Compiles StructureDefinitions and terminology to `structure.json`, `codes.json` and `code_systems.json`.

`structure.json`: type or backbone path -> rows `[name, flags, type, codes, targets]`, short rows leaving out the end.
Flags are a string of `*` (array), `!` (required), `s` (summary), `q` (a SimpleQuantity). A choice `value[x]` has a
list of types. `codes` names a row of `codes.json`; `targets` lists the types a Reference may point at.
The first row is the name of the type the path inherits from ("" for none): its elements are not repeated.
`codes.json`: value set -> codes, or "system|code" where an element holds Codings. Only value sets of required bindings
that can be listed; UCUM, BCP 13, BCP 47 and the like have a syntax, not a list.
`code_systems.json`: the complete code systems that are part of FHIR R4 itself, and so never grow -> codes.

The archive carries elements that are not in R4 (such as `Binary.url`, backported R5 elements). What its JSON schema
does not know is dropped; the rest is named in `corrections`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from fhir_mapping.definitions import corrections
from fhir_mapping.definitions.value_sets import ValueSets

Json: TypeAlias = dict[str, Any]

BASES = ("Element", "BackboneElement", "Resource", "DomainResource")
FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"
SIMPLE_QUANTITY = "http://hl7.org/fhir/StructureDefinition/SimpleQuantity"


def compiled(read: Callable[[str], Any]) -> dict[str, Json]:
    """The tables by file name."""
    schema = _schema_properties(read("fhir.schema.json"))
    value_sets = ValueSets(read("valuesets.json"))
    structures = [*_structures(read("profiles-types.json")), *_structures(read("profiles-resources.json"))]
    for definition in structures:
        _keep_r4(definition, schema)
    bases = {d["id"]: {_name(e) for e in _children(d, d["id"])} for d in structures if d["id"] in BASES}
    tables: Json = {"": sorted(d["id"] for d in structures if d["kind"] == "resource" and not d["abstract"])}
    for definition in structures:
        for path in _paths(definition):
            elements = _children(definition, path)
            base = _base(path, {_name(e) for e in elements}, bases)
            own = [e for e in elements if _name(e) not in bases.get(base, set())]
            rows = [_row(element, definition, value_sets) for element in own]
            tables[path] = [base, *corrections.REPLACED.get(path, rows)]
    return {
        "structure.json": tables,
        "codes.json": dict(sorted(value_sets.used.items())),
        "code_systems.json": value_sets.systems("http://hl7.org/fhir/"),
    }


def _structures(bundle: Json) -> Iterator[Json]:
    for entry in bundle["entry"]:
        found = entry["resource"]
        if found["resourceType"] != "StructureDefinition" or found.get("derivation") == "constraint":
            continue
        if found["kind"] in ("resource", "complex-type") and found["id"] not in corrections.FOREIGN_TYPES:
            yield found


def _paths(definition: Json) -> Iterator[str]:
    """The type itself and every element of it that has children of its own."""
    yield definition["id"]
    paths = [e["path"] for e in definition["snapshot"]["element"]]
    yield from (p for p in paths[1:] if any(q.startswith(p + ".") for q in paths))


def _children(definition: Json, path: str) -> list[Json]:
    depth = path.count(".") + 1
    elements = definition["snapshot"]["element"]
    return [e for e in elements if e["path"].startswith(path + ".") and e["path"].count(".") == depth]


def _base(path: str, names: set[str], bases: dict[str, set[str]]) -> str:
    """The largest base whose elements the path repeats."""
    fitting = [b for b, inherited in bases.items() if b != path and inherited <= names]
    return max(fitting, key=lambda b: len(bases[b]), default="")


def _name(element: Json) -> str:
    return str(element["path"].rsplit(".", 1)[1])


def _row(element: Json, definition: Json, value_sets: ValueSets) -> list[Any]:
    types = [_type(element, t) for t in element.get("type", ())] or [element["contentReference"].lstrip("#")]
    path = element["path"]
    if types[0] in ("BackboneElement", "Element") and any(p == path for p in _paths(definition)):
        types = [path]
    simple = any(SIMPLE_QUANTITY in t.get("profile", ()) for t in element.get("type", ()))
    flags = "".join(
        flag
        for flag, on in (
            ("*", element["max"] == "*"),
            ("!", element["min"] > 0 or path in corrections.REQUIRED),
            ("s", element.get("isSummary", False)),
            ("q", simple),
        )
        if on
    )
    row = [
        _name(element),
        flags,
        types[0] if len(types) == 1 else types,
        value_sets.codes_of(element),
        _targets(element),
    ]
    while not row[-1] and len(row) > 2:
        row.pop()
    return row


def _type(element: Json, declared: Json) -> str:
    if element["path"].count(".") == 1 and element["base"]["path"] == "Resource.id":
        return "id"  # declared as System.String
    if element["path"] == "Extension.url":
        return "uri"
    for extension in declared.get("extension", ()):
        if extension["url"] == FHIR_TYPE:
            return str(extension.get("valueUrl") or extension["valueUri"])
    return str(declared["code"])


def _targets(element: Json) -> list[str]:
    """The types a Reference may point at; none for "any" and for canonicals, whose targets are not looked up."""
    targets: set[str] = set()
    for declared in element.get("type", ()):
        if declared["code"] == "Reference":
            profiles = declared.get("targetProfile", ())
            targets.update(profile.rsplit("/", 1)[1] for profile in profiles)
    return [] if "Resource" in targets else sorted(targets - corrections.FOREIGN_TARGETS.get(element["path"], set()))


def _schema_properties(schema: Json) -> dict[str, set[str]]:
    """Properties by `Type` and `Type_Backbone`. The schema numbers backbones of one name (`Detail`, `Detail1`)."""
    found: dict[str, set[str]] = {}
    for name, definition in schema["definitions"].items():
        found.setdefault(re.sub(r"\d+$", "", name), set()).update(definition.get("properties", ()))
    return found


def _keep_r4(definition: Json, schema: dict[str, set[str]]) -> None:
    """Drop, in place, the elements and choice types that are not in R4."""
    root, *elements = definition["snapshot"]["element"]
    kept = [root]
    paths = {root["path"]}
    for element in elements:
        *owner, name = element["path"].split(".")
        known = schema.get(owner[0] if len(owner) == 1 else f"{owner[0]}_{_capital(owner[-1])}", {name})
        if name.endswith("[x]"):
            element["type"] = [t for t in element["type"] if name[:-3] + _capital(t["code"]) in known]
            known = known | {name} if element["type"] else set()
        if name in known and element["path"] not in corrections.FOREIGN_ELEMENTS and ".".join(owner) in paths:
            kept.append(element)
            paths.add(element["path"])
    definition["snapshot"]["element"] = kept


def _capital(word: str) -> str:
    return word[0].upper() + word[1:]
