"""Contained resources and the references to them: https://hl7.org/fhir/R4/references.html#contained

Rules dom-2 to dom-5 and ref-1. Only the outermost resource can tell whether `#id` points at anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fhir_mapping.problems import Found, Problem


def settle(content: Mapping[str, Any], problems: list[Problem]) -> Found:
    """Judge the `#id` references among `problems` by what `content` contains, and add what is wrong with that."""
    contained = content.get("contained", ())
    if type(contained) is not list:
        return problems or None
    by_id: dict[str, Mapping[str, Any]] = {
        each["id"]: each for each in contained if type(each) is dict and type(each.get("id")) is str
    }
    by_id[""] = content  # "#" is the resource around
    settled = [problem for problem in problems if problem.local is None or not _resolves(problem.local, by_id)]
    for index, each in enumerate(contained):
        if type(each) is dict:
            settled += [problem.under(f".contained[{index}]") for problem in _own_rules(each)]
    settled += _unreferenced(contained, _named(content))
    return settled or None


def _resolves(local: tuple[str, frozenset[str] | None], by_id: Mapping[Any, Any]) -> bool:
    name, targets = local
    return name in by_id and (targets is None or by_id[name].get("resourceType") in targets)


def _own_rules(contained: Mapping[str, Any]) -> Iterator[Problem]:
    if "contained" in contained:
        yield Problem("invariant", "A contained resource contains no other (dom-2)", ".contained")
    meta = contained.get("meta")
    for name, rule in (("versionId", "dom-4"), ("lastUpdated", "dom-4"), ("security", "dom-5")):
        if type(meta) is dict and name in meta:
            yield Problem("invariant", f"A contained resource has no {name} ({rule})", f".meta.{name}")


def _unreferenced(contained: list[Any], named: set[str]) -> Iterator[Problem]:
    """dom-3: what is contained is referred to, or refers to what contains it."""
    ids: set[str] = set()
    for index, each in enumerate(contained):
        name = each.get("id") if type(each) is dict else None
        if type(name) is not str:
            yield Problem("required", "A contained resource has an id", f".contained[{index}]")
            continue
        if name in ids:
            yield Problem("duplicate", "Two contained resources have one id", f".contained[{index}].id")
        elif name not in named and "" not in _named(each):
            yield Problem("invariant", "A contained resource is referred to (dom-3)", f".contained[{index}]")
        ids.add(name)


def _named(value: Any) -> set[str]:
    """Every `#id` that stands anywhere below as a string of its own, without the `#`."""
    found: set[str] = set()
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if type(each) is dict:
            waiting.extend(each.values())
        elif type(each) is list:
            waiting.extend(each)
        elif type(each) is str and each[:1] == "#":
            found.add(each[1:])
    return found
