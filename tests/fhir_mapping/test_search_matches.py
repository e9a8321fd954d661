"""https://hl7.org/fhir/R4/search.html: what conformance searches find, index and query side together, without a store.

A query and an index that are both wrong can agree with each other, so the expectations come from the conformance cases.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from domain.errors import InvalidRequest
from domain.identity import FhirJson, ResourceKey
from domain.revision import Description, Head
from domain.search import CodesOf, Condition, Having, Linked, SearchQuery, term
from fhir_mapping.index_terms import IndexTerms
from fhir_mapping.inspection import OpenedResource
from fhir_mapping.query_string import QueryStrings

GROUPS = ("search-token", "search-string", "search-reference", "search-uri", "search-chain", "search-has", "abuse")
GROUPS += ("search-date", "search-number", "search-quantity", "search-composite", "search-handling")
PARSER = QueryStrings()
Index = dict[ResourceKey, tuple[FhirJson, Description]]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def holds(condition: Condition, key: ResourceKey, index: Index) -> bool:
    content, described = index[key]
    match condition:
        case Linked(parameter, targets):
            found = [each for target in targets for each in matches(target, index)]
            return bool(set(described.terms) & {term(parameter, "ref", str(each)) for each in found})
        case Having(parameter, source):
            return any(term(parameter, "ref", str(key)) in index[each][1].terms for each in matches(source, index))
        case CodesOf():
            return False  # The set is decided by the use cases, which read it from the store; here it is empty.
    head = Head(key, 1, "PUT", NOW)
    opened = OpenedResource(head, content, IndexTerms(), lambda: NOW)
    return opened.satisfies(condition)


def matches(query: SearchQuery, index: Index) -> list[ResourceKey]:
    return [k for k in index if k.type == query.type and all(holds(c, k, index) for c in query.conditions)]


@pytest.fixture(scope="module")
def index(shared: Path) -> Index:
    bundle = json.loads((shared / "conformance" / "fixtures_base.json").read_text(), parse_float=Decimal)
    resources: list[FhirJson] = [entry["resource"] for entry in bundle["entry"]]
    describer = IndexTerms()
    keys = [ResourceKey(each["resourceType"], each["id"]) for each in resources]
    return {key: (each, describer.describe(each, key)) for key, each in zip(keys, resources, strict=True)}


def cases(shared: Path) -> list[dict[str, Any]]:
    lines = (shared / "conformance" / "cases.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    mine = [c for c in found if c["group"] in GROUPS and c.get("method") == "GET" and "?" in c.get("path", "")]
    return [c for c in mine if c["expect"]["status"] != [406]]  # Content negotiation is not decided here.


def test_conformance_searches_find_what_they_should(shared: Path, index: Index) -> None:
    """Every case of these groups: the right ids, or refused where it says so."""
    wrong, right = [], 0
    for case in cases(shared):
        url = urlsplit(case["path"])
        pairs = parse_qsl(url.query, keep_blank_values=True)
        expected = [check[2] for check in case["expect"].get("body", []) if check[:2] == ["@match_ids", "set_eq"]]
        try:
            query = PARSER.parse(url.path.strip("/"), pairs, strict=True).query
        except InvalidRequest:
            if 400 in case["expect"]["status"] or 404 in case["expect"]["status"]:
                right += 1
            else:
                wrong.append((case["id"], "refused"))
            continue
        found = sorted(key.id for key in matches(query, index))
        if expected and found != sorted(expected[0]):
            wrong.append((case["id"], found))
        elif 200 not in case["expect"]["status"]:
            wrong.append((case["id"], "not refused"))
        right += 1
    assert wrong == []
    assert right >= 141


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Observation?patient.identifier=urn:cf:mrn|5", ["cf-o5"]),
        ("Observation?subject=Patient/cf-p1", ["cf-o1", "cf-o2"]),
        ("Condition?subject:identifier=urn:cf:mrn|LOGICAL-1", ["cf-c3"]),
        ("Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|12345", ["cf-p1"]),
        ("Patient?deceased=true", ["cf-p4"]),
        ("Patient?deceased=false", ["cf-p1", "cf-p2", "cf-p3", "cf-p5"]),
        ("Patient?telecom=email|p.chalmers@example.org", ["cf-p1"]),
        ("Patient?phone=0355556473", ["cf-p1"]),
        ("Patient?organization:missing=false", ["cf-p1", "cf-p5"]),
        ("Patient?general-practitioner:Practitioner.name=careful", ["cf-p1"]),
        ("Observation?encounter.participant:Practitioner.name=careful", ["cf-o1"]),
        ("Patient?name=chal&gender:not=male", ["cf-p5"]),
        ("Patient?_security=R", ["cf-p1"]),
        ("Observation?date:missing=true", ["cf-o6"]),
    ],
)
def test_more_searches_on_the_conformance_fixtures(index: Index, text: str, found: list[str]) -> None:
    resource_type, _, pairs = text.partition("?")
    query = PARSER.parse(resource_type, parse_qsl(pairs), strict=True).query
    assert [key.id for key in matches(query, index)] == found
