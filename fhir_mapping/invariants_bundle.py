"""Invariants of Bundles: https://hl7.org/fhir/R4/bundle.html#invs; see `invariants`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from fhir_mapping.invariants_computed import Node, Rule, each, that
from fhir_mapping.problems import Problem


def _entries(value: Node) -> list[Any]:
    entries: list[Any] = value.get("entry", [])
    return entries


def _is(value: Node, *types: str) -> bool:
    return value.get("type") in types


def _exactly_in(name: str, key: str, *types: str) -> Rule:
    """Every entry has `name` in Bundles of these types, and none has it in others."""
    human = f"The entries of a {', '.join(types)}, and no others, have a {name} ({key})"

    def find(value: Node) -> Iterator[Problem]:
        wanted = _is(value, *types)
        for index, entry in enumerate(_entries(value)):
            if (name in entry) != wanted:
                yield Problem("required" if wanted else "invariant", human, f".entry[{index}].{name}")

    return each(find)


def _first_is(value: Node, type_name: str) -> bool:
    entries = _entries(value)
    return bool(entries) and entries[0].get("resource", {}).get("resourceType") == type_name


def _identified(value: Node) -> bool:
    identifier = value.get("identifier", {})
    return "system" in identifier and "value" in identifier


def _full_urls(value: Node) -> Iterator[Problem]:
    seen: set[tuple[str, str | None]] = set()
    for index, entry in enumerate(_entries(value)):
        url = entry.get("fullUrl")
        if url is None:
            continue
        version = entry.get("resource", {}).get("meta", {}).get("versionId")
        if (url, version) in seen and not _is(value, "history"):
            yield Problem("invariant", "A fullUrl stands once in a Bundle (bdl-7)", f".entry[{index}].fullUrl")
        if ":" not in url:
            yield Problem("invariant", "A fullUrl is absolute", f".entry[{index}].fullUrl")
        seen.add((url, version))


def _links(value: Node) -> Iterator[Problem]:
    seen = Counter(link.get("relation") for link in value.get("link", ()))
    if any(count > 1 for relation, count in seen.items() if relation in ("self", "first", "last", "next", "previous")):
        yield Problem("invariant", "A Bundle has one link of a kind", ".link")


def _search_results(value: Node) -> Iterator[Problem]:
    """https://hl7.org/fhir/R4/search.html#mode, https://hl7.org/fhir/R4/resource.html#id"""
    if not _is(value, "searchset"):
        return
    for index, entry in enumerate(_entries(value)):
        resource = entry.get("resource", {})
        outcome = resource.get("resourceType") == "OperationOutcome"
        mode = entry.get("search", {}).get("mode")
        if mode is not None and outcome != (mode == "outcome"):
            yield Problem(
                "invariant", "An OperationOutcome, and nothing else, is an outcome", f".entry[{index}].search"
            )
        if resource and not outcome and "id" not in resource:
            yield Problem("required", "What a search finds has an id", f".entry[{index}].resource.id")


def _ambiguous_references(value: Node) -> Iterator[Problem]:
    """A document is one unit: a reference without version may not fit two versions of one resource in it."""
    if not _is(value, "document"):
        return
    urls = Counter(entry.get("fullUrl") for entry in _entries(value))
    doubled = [url for url, count in urls.items() if url is not None and count > 1]
    for index, entry in enumerate(_entries(value)):
        for reference in _references(entry.get("resource", {})):
            if any(url == reference or url.endswith("/" + reference) for url in doubled):
                yield Problem("invariant", "A reference fits two entries of the document", f".entry[{index}].resource")
                break


def _references(value: Any) -> Iterator[str]:
    if type(value) is dict:
        reference = value.get("reference")
        if type(reference) is str:
            yield reference
        for child in value.values():
            yield from _references(child)
    elif type(value) is list:
        for child in value:
            yield from _references(child)


RULES: dict[str, tuple[Rule, ...]] = {
    "Bundle": (
        that(
            "bdl-1",
            "Only a search or history has a total",
            lambda v: "total" not in v or _is(v, "searchset", "history"),
        ),
        that(
            "bdl-2",
            "Only the entries of a search say how they were found",
            lambda v: _is(v, "searchset") or all("search" not in entry for entry in _entries(v)),
        ),
        _exactly_in("request", "bdl-3", "batch", "transaction", "history"),
        _exactly_in("response", "bdl-4", "batch-response", "transaction-response", "history"),
        that("bdl-9", "A document has an identifier with a system", lambda v: not _is(v, "document") or _identified(v)),
        that("bdl-10", "A document has a timestamp", lambda v: not _is(v, "document") or "timestamp" in v),
        that(
            "bdl-11",
            "A document begins with its Composition",
            lambda v: not _is(v, "document") or _first_is(v, "Composition"),
        ),
        that(
            "bdl-12",
            "A message begins with its MessageHeader",
            lambda v: not _is(v, "message") or _first_is(v, "MessageHeader"),
        ),
        each(_full_urls),
        each(_links),
        each(_search_results),
        each(_ambiguous_references),
    ),
    "Bundle.entry": (
        that("bdl-8", "A fullUrl names no version", lambda v: "/_history/" not in v.get("fullUrl", ""), ".fullUrl"),
    ),
}
