"""Compiles SearchParameters and CompartmentDefinitions to `search_parameters.json` and `compartments.json`.

`search_parameters.json`: resource type (or `Resource`, `DomainResource`) -> rows `[code, type, expression, more]`. The
expression is only the part of the official one that starts at that type; `more` is left out or an object with
`targets` (a reference that may not point anywhere), `systems` (what system the codes of a `code` element belong to, for
`gender=http://…|male`) and `components` (of a composite: rows `[code, type, expression]`).
`compartments.json`: compartment -> resource type -> the parameters that make a resource a member.

https://hl7.org/fhir/R4/searchparameter.html, https://hl7.org/fhir/R4/compartmentdefinition.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

COMPARTMENTS = ("patient", "encounter", "practitioner", "relatedPerson", "device")
ANY_TARGET = 100  # More target types than this are "any resource".
FOREIGN = frozenset({"DetectedIssue-status", "DeviceDefinition-classification", "ServiceRequest-order-detail"})
"""In the archive, which was edited for another server, but not among the published search parameters of R4."""
_HEAD = re.compile(r"[\s(]*([A-Za-z]+)(?![A-Za-z])")
_PLAIN = re.compile(r"[A-Za-z]+(?:\.[a-zA-Z]+)+")


def compiled(read: Callable[[str], Any]) -> dict[str, Json]:
    """The two tables by file name."""
    published = (entry["resource"] for entry in read("search-parameters.json")["entry"])
    parameters = [parameter for parameter in published if parameter["id"] not in FOREIGN]
    bindings = _Bindings(read)
    by_url = {parameter["url"]: parameter for parameter in parameters}
    table: dict[str, list[list[Any]]] = {}
    for parameter in sorted(parameters, key=lambda p: str(p["code"])):
        for base in parameter["base"]:
            table.setdefault(base, []).append(_row(parameter, base, by_url, bindings))
    return {
        "search_parameters.json": dict(sorted(table.items())),
        "compartments.json": {
            definition["code"]: {row["code"]: row["param"] for row in definition["resource"] if row.get("param")}
            for definition in (read(f"CompartmentDefinition-{name}.json") for name in COMPARTMENTS)
        },
    }


def _row(parameter: Json, base: str, by_url: dict[str, Json], bindings: _Bindings) -> list[Any]:
    expression = " | ".join(_parts_of(parameter.get("expression", ""), base))
    more: Json = {}
    if parameter["type"] == "reference" and len(parameter.get("target", ())) <= ANY_TARGET:
        more["targets"] = sorted(parameter.get("target", ()))
    if parameter["type"] == "token":
        systems = {system for path in _PLAIN.findall(expression) for system in bindings.systems(path)}
        more["systems"] = sorted(systems)
    if parameter["type"] == "composite":
        more["components"] = [
            [by_url[c["definition"]]["code"], by_url[c["definition"]]["type"], c["expression"]]
            for c in parameter["component"]
        ]
    more = {name: value for name, value in more.items() if value}
    return [parameter["code"], parameter["type"], expression, *([more] if more else [])]


def _parts_of(expression: str, base: str) -> Iterator[str]:
    """The operands of the outermost `|` that start at `base`; what names no type (`name | alias`) starts there too."""
    depth, start = 0, 0
    for position, sign in enumerate(expression + "|"):
        depth += (sign == "(") - (sign == ")")
        if sign == "|" and depth == 0:
            part = expression[start:position].strip()
            head = _HEAD.match(part)
            if head is not None and head[1] == base:
                yield part
            elif head is not None and head[1][0].islower():
                yield f"{base}.{part}"
            start = position + 1


class _Bindings:
    """Element path -> the code systems of its required binding."""

    def __init__(self, read: Callable[[str], Any]) -> None:
        self._value_sets: dict[str, Json] = {
            entry["resource"]["url"]: entry["resource"] for entry in read("valuesets.json")["entry"]
        }
        self._elements: dict[str, Json] = {}
        for name in ("profiles-types.json", "profiles-resources.json"):
            for entry in read(name)["entry"]:
                definition = entry["resource"]
                if definition["resourceType"] == "StructureDefinition" and definition.get("derivation") != "constraint":
                    for element in definition["snapshot"]["element"]:
                        self._elements[element["path"]] = element

    def systems(self, path: str) -> list[str]:
        """The systems of a `code` element; none for every other element."""
        element = self._element(path)
        if element is None or [t["code"] for t in element.get("type", ())] != ["code"]:
            return []
        url = element.get("binding", {}).get("valueSet", "").split("|")[0]
        included = self._value_sets.get(url, {}).get("compose", {}).get("include", ())
        return [part["system"] for part in included if "system" in part]

    def _element(self, path: str) -> Json | None:
        """The element of a path, stepping through data types: `Patient.telecom.use` is `ContactPoint.use`."""
        at, steps = path.split(".")[0], path.split(".")[1:]
        for number, step in enumerate(steps):
            element = self._elements.get(f"{at}.{step}")
            types = element.get("type", ()) if element else []
            if element is None or number == len(steps) - 1:
                return element
            code = str(types[0]["code"])
            at = f"{at}.{step}" if code in ("BackboneElement", "Element") else code
        return None
