"""`chartvault explain`: every search that is asked, as it is asked."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest
import typer.testing

from api.cli import app as commands
from api.environment import environment_of
from api.settings import Settings
from tests.api.fhir.graph import load

# For each: the types and the leading indexes of its steps, in order.
SEARCHES = (
    ("Observation?code=1111-1", ["terms"], []),
    ("Patient?family:contains=alm", ["terms"], []),
    ("Observation?performer:Practitioner.name=careful", ["terms", "terms"], ["Practitioner", "Observation"]),
    ("Patient?_has:Observation:patient:code=1111-1", ["scoped", "_id_"], ["Observation", "Patient"]),
    (
        "Observation?patient.organization.name=gastro",
        ["terms", "terms", "scoped"],
        ["Organization", "Patient", "Observation"],
    ),
)


@pytest.mark.parametrize(("search", "indexes", "types"), SEARCHES)
async def test_each_step_is_explained(
    fhir: httpx.AsyncClient, settings: Settings, search: str, indexes: list[str], types: list[str]
) -> None:
    await load(fhir)
    invoke = typer.testing.CliRunner().invoke
    told = await asyncio.to_thread(invoke, commands, ["explain", search], env=environment_of(settings))
    assert told.exit_code == 0, told.output
    assert re.findall(r"^index +(\S+)", told.output, re.M) == indexes
    assert re.findall(r"^\d+ +(\S+)", told.output, re.M) == types
    assert "COLLSCAN" not in told.output


async def test_whose_resources_have_a_value_is_told_without_looking_at_one(
    fhir: httpx.AsyncClient, settings: Settings
) -> None:
    await load(fhir)
    search = "Patient?_has:Observation:patient:code=1111-1"
    told = await asyncio.to_thread(
        typer.testing.CliRunner().invoke, commands, ["explain", search], env=environment_of(settings)
    )
    first = told.output.partition("Patient")[0]
    assert "DISTINCT_SCAN" in first
    assert "examined   0 documents" in first
