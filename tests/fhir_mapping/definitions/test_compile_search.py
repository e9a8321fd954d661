"""The committed tables are what the official definitions compile to."""

from __future__ import annotations

import json
import tarfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from fhir_mapping.definitions.compile_search import compiled
from fhir_mapping.search_parameters import PROFILED, parameters_of
from fhir_mapping.tables import RESOURCE_TYPES


def test_compiling_the_definitions_again_gives_the_committed_tables(shared: Path) -> None:
    with tarfile.open(shared / "data" / "hl7-r4-definitions.tar.xz") as archive:

        def read(name: str) -> Any:
            member = next(each for each in archive.getmembers() if Path(each.name).name == name)
            file = archive.extractfile(member)
            assert file is not None
            return json.load(file)

        for name, table in compiled(read).items():
            committed = json.loads(files("fhir_mapping").joinpath("definitions", name).read_text())
            assert committed == table, name


def test_every_official_parameter_is_there() -> None:
    own = sum(not code.startswith("_") for each in RESOURCE_TYPES for code in parameters_of(each))
    assert own - sum(map(len, PROFILED.values())) == 1697


def test_what_a_guide_adds_replaces_nothing_official_and_says_where_it_is_defined() -> None:
    rows = json.loads(files("fhir_mapping").joinpath("definitions", "search_parameters.json").read_text())
    for resource_type, added in PROFILED.items():
        assert added.keys().isdisjoint(row[0] for row in rows[resource_type])
        for code in added:
            parameter = parameters_of(resource_type)[code]
            assert parameter.routes
            assert parameter.indexed
            assert (parameter.definition or "").startswith("https://")


def test_the_parameters_are_those_hl7_published(shared: Path) -> None:
    """The examples hold HL7's own Bundle of all R4 search parameters."""
    with tarfile.open(shared / "data" / "hl7-r4-examples.tar.xz") as archive:
        member = next(each for each in archive.getmembers() if each.name.endswith("/Bundle-searchParams.json"))
        file = archive.extractfile(member)
        assert file is not None
        published = [entry["resource"] for entry in json.load(file)["entry"]]
    expected = {
        (base, each["code"], each["type"]) for each in published for base in each["base"] if base in RESOURCE_TYPES
    }
    found = {
        (each, p.code, p.kind)
        for each in RESOURCE_TYPES
        for p in parameters_of(each).values()
        if p.code[0] != "_" and p.definition is None
    }
    assert found == expected


@pytest.mark.parametrize(
    ("resource_type", "code", "kind", "expression"),
    [
        ("Patient", "name", "string", "Patient.name"),
        ("Observation", "patient", "reference", "Observation.subject.where(resolve() is Patient)"),
        ("Observation", "value-concept", "token", "(Observation.value as CodeableConcept)"),
        ("InsurancePlan", "name", "string", "InsurancePlan.name | InsurancePlan.alias"),
        ("Bundle", "_tag", "token", "Resource.meta.tag"),
    ],
)
def test_a_row_keeps_the_part_of_its_type(resource_type: str, code: str, kind: str, expression: str) -> None:
    parameter = parameters_of(resource_type)[code]
    assert (parameter.kind, parameter.expression) == (kind, expression)


def test_codes_imply_the_system_of_their_binding() -> None:
    assert parameters_of("Patient")["gender"].systems == {"http://hl7.org/fhir/administrative-gender"}
    assert parameters_of("Patient")["address-use"].systems == {"http://hl7.org/fhir/address-use"}
    assert parameters_of("Observation")["code"].systems == set()


def test_composites_keep_their_components() -> None:
    parts = parameters_of("Observation")["code-value-quantity"].components
    assert parts == (("code", "token", "code"), ("value-quantity", "quantity", "value.as(Quantity)"))
