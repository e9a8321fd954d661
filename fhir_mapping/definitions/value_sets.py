"""Expands the value sets of required bindings: https://hl7.org/fhir/R4/terminologies.html#required

Used only by the compiler. A value set that cannot be listed from the definitions alone has no expansion, and its
elements are then checked for syntax only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from fhir_mapping.definitions import corrections

Json: TypeAlias = dict[str, Any]
Coding: TypeAlias = tuple[str, str]


class ValueSets:
    """The value sets and code systems of `valuesets.json`; `used` collects what the elements refer to."""

    def __init__(self, bundle: Json) -> None:
        self._by_url: dict[str, Json] = {}
        for entry in bundle["entry"]:
            self._by_url[entry["resource"]["url"]] = entry["resource"]
        self.used: dict[str, list[str]] = {name: list(codes) for name, codes in corrections.CODES.items()}

    def codes_of(self, element: Json) -> str:
        """The name under which `used` keeps the codes of a required binding; "" when there is no such list."""
        binding = element.get("binding", {})
        if binding.get("strength") != "required" or "valueSet" not in binding:
            return ""
        url = corrections.VALUE_SETS.get(element["path"], binding["valueSet"].split("|")[0])
        listed = corrections.CODES.get(url.rsplit("/", 1)[1])
        codings = {("", code) for code in listed} if listed else self._expand(url)
        if codings is None:
            return ""
        plain = element["type"][0]["code"] in ("code", "string", "uri")
        name: str = url.rsplit("/", 1)[1] + ("" if plain else "|")
        codes = {code if plain else f"{system}|{code}" for system, code in codings}
        self.used[name] = sorted(codes - corrections.FOREIGN_TYPES)
        return name

    def systems(self, prefix: str) -> dict[str, list[str]]:
        """The codes of every complete code system whose URL begins with `prefix`."""
        return {
            url: sorted({code for code, _ in _walk(found.get("concept", []), ())} - corrections.FOREIGN_TYPES)
            for url, found in sorted(self._by_url.items())
            if url.startswith(prefix) and found.get("content") == "complete"
        }

    def _expand(self, url: str) -> set[Coding] | None:
        compose = self._by_url.get(url, {}).get("compose")
        if compose is None:
            return None
        found: set[Coding] = set()
        for include in compose["include"]:
            part = self._part(include)
            if part is None:
                return None
            found |= part
        for exclude in compose.get("exclude", ()):
            found -= self._part(exclude) or set()
        return found

    def _part(self, include: Json) -> set[Coding] | None:
        if "system" not in include:
            parts = [self._expand(url.split("|")[0]) for url in include["valueSet"]]
            return None if None in parts else set.intersection(*[p for p in parts if p is not None])
        system = include["system"]
        if "concept" in include:
            return {(system, concept["code"]) for concept in include["concept"]}
        concepts = self._by_url.get(system, {}).get("concept")
        if concepts is None or self._by_url[system].get("content") != "complete":
            return None
        roots: set[str] | None = None
        for rule in include.get("filter", ()):
            if rule["property"] != "concept" or rule["op"] not in ("is-a", "descendent-of"):
                return None
            roots = {rule["value"]}
        return {(system, code) for code, above in _walk(concepts, ()) if roots is None or roots & {code, *above}}


def _walk(concepts: list[Json], above: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every code with the codes above it, by nesting or by `subsumedBy`/`parent` properties."""
    for concept in concepts:
        code = concept["code"]
        parents = tuple(p["valueCode"] for p in concept.get("property", ()) if p["code"] in ("parent", "subsumedBy"))
        yield code, (*above, *parents)
        yield from _walk(concept.get("concept", []), (*above, code))
