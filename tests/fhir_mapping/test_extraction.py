"""Every value of every official parameter, found by the plan, is what FHIRPath evaluation finds.

http://hl7.org/fhirpath/N1/. The oracle is fhirpathpy (`evaluated.oracle`), which shares no code with the product. What the
index makes of the values is in `test_index_oracle.py`.
"""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fhir_mapping.extraction import Plan, Route, routes_of
from fhir_mapping.search_parameters import SearchParameter, parameters_of
from fhir_mapping.tables import RESOURCE_TYPES
from tests.fhir_mapping.evaluated import oracle


def searchable(resource_type: str) -> Iterator[SearchParameter]:
    for parameter in parameters_of(resource_type).values():
        if parameter.expression and parameter.kind != "composite":
            yield parameter


@cache
def plan(resource_type: str) -> Plan[str]:
    made: Plan[str] = Plan()
    for parameter in searchable(resource_type):
        routes = parameter.routes
        if routes is None:
            made.add_evaluated(parameter.expression, lambda _type, code=parameter.code: code)
        for route in routes or ():
            made.add(route, parameter.code)
    return made


def examples(shared: Path) -> Iterator[dict[str, Any]]:
    with tarfile.open(shared / "data" / "hl7-r4-examples.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".json") else None
            if file is not None:
                # Numbers as text: the oracle turns them into its own kind.
                yield json.load(file, parse_float=str)


def texts(values: list[Any]) -> set[str]:
    return {json.dumps(value, sort_keys=True) for value in values}


@pytest.mark.slow
def test_extraction_equals_evaluation_on_the_official_examples(shared: Path) -> None:
    pairs, differing = 0, Counter[str]()
    for content in examples(shared):
        resource_type = content.get("resourceType")
        if resource_type not in RESOURCE_TYPES:
            continue
        found: dict[str, list[Any]] = {}
        for codes, value in plan(resource_type).values(content):
            for code in codes:
                found.setdefault(code, []).append(value)
        for parameter in searchable(resource_type):
            expected = oracle(parameter.expression, resource_type)(content)
            pairs += 1
            if texts(found.get(parameter.code, [])) != texts(expected):
                differing[f"{content['resourceType']}/{content['id']} {parameter.code}"] += 1
    assert pairs > 15_000
    assert list(differing) == []


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
def test_every_official_expression_leads_somewhere(resource_type: str) -> None:
    evaluated = {("Bundle", "composition"), ("Bundle", "message"), ("Patient", "deceased")}
    for parameter in searchable(resource_type):
        routes = parameter.routes
        assert (routes is None) is ((resource_type, parameter.code) in evaluated)
        assert routes is None or routes


def test_a_route_knows_its_keys_its_type_and_its_targets() -> None:
    assert routes_of("(Observation.value as Quantity)", "Observation") == (Route(("valueQuantity",), "Quantity"),)
    (patient,) = routes_of("Observation.subject.where(resolve() is Patient)", "Observation") or ()
    assert (patient.steps[0], patient.type, patient.targets) == ("subject", "Reference", {"Patient"})
    assert routes_of("Observation.nothing", "Observation") == ()
    assert routes_of("Patient.name", "Observation") == ()


def test_a_filter_of_another_shape_is_evaluated() -> None:
    made: Plan[str] = Plan()
    for route in routes_of("Patient.telecom.where(system='phone' and use='home').value", "Patient") or ():
        made.add(route, "home")
    telecom = [{"system": "phone", "use": "home", "value": "1"}, {"system": "phone", "value": "2"}]
    assert made.values({"resourceType": "Patient", "telecom": telecom}) == [(["home"], "1")]
