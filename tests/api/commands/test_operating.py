"""`verify`, `erase` and `keys` over the database of a running application."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
import typer.testing
from click.testing import Result
from pymongo import MongoClient

from api.cli import app as commands
from api.environment import environment_of
from api.settings import Settings
from storage.mongo import erasure, rotation

Run: TypeAlias = Callable[..., Coroutine[None, None, Result]]


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command over the application's database, without the waits for what other processes still write."""
    monkeypatch.setattr(erasure, "COMMIT_SECONDS", 0.0)
    monkeypatch.setattr(rotation, "NEWEST_SECONDS", 0.0)
    monkeypatch.setattr(rotation, "MARGIN_SECONDS", 0.0)
    environment = {**environment_of(settings), "CHARTVAULT_KEY_CACHE_SECONDS": "0.1"}

    async def run(*arguments: str) -> Result:
        invoke = typer.testing.CliRunner().invoke
        return await asyncio.to_thread(invoke, commands, list(arguments), env=environment)

    return run


async def put_patients(fhir: httpx.AsyncClient, *ids: str) -> None:
    for patient in ids:
        body = {"resourceType": "Patient", "id": patient, "name": [{"family": "Lindqvist"}]}
        assert (await fhir.put(f"/Patient/{patient}", json=body)).status_code == 201


async def test_what_was_written_verifies(fhir: httpx.AsyncClient, run: Run) -> None:
    await put_patients(fhir, "a", "b")
    result = await run("verify")
    assert result.exit_code == 0, result.output
    assert re.fullmatch(r"Clean\. Checked: .*versions 2.*\n", result.output)


async def test_a_version_that_was_removed_is_named(
    fhir: httpx.AsyncClient, run: Run, mongo_admin: MongoClient[dict[str, Any]], database: str
) -> None:
    await put_patients(fhir, "a", "b")
    mongo_admin[database]["revisions"].delete_one({"_id": "Patient/a/1"})
    result = await run("verify")
    assert result.exit_code == 1
    assert "Patient/a/1: " in result.output
    assert "Patient/b" not in result.output
    assert "Lindqvist" not in result.output


async def test_an_erased_patient_is_gone_for_everybody_and_the_rest_verifies(
    fhir: httpx.AsyncClient, run: Run, mongo_admin: MongoClient[dict[str, Any]], database: str
) -> None:
    await put_patients(fhir, "a", "b")
    result = await run("erase", "a", "--reason", "asked for it", "--yes")
    assert (result.exit_code, result.output) == (0, "Erased Patient/a: 1 versions cannot be opened any more.\n")
    assert (await run("verify")).exit_code == 0
    asked = mongo_admin[database]["audit"].find_one({"interaction": "erase"})
    assert asked is not None
    assert asked["subject"].startswith("operator:")
    assert asked["patients"] == ["a"]
    assert (await fhir.get("/Patient/b")).status_code == 200


async def test_keys_are_replaced_while_the_application_reads(fhir: httpx.AsyncClient, run: Run) -> None:
    await put_patients(fhir, "a")
    result = await run("keys", "rotate")
    assert (result.exit_code, result.output) == (0, "Rotated: everything is held by new keys.\n")
    assert (await fhir.get("/Patient/a")).status_code == 200
    verified = await run("verify")
    assert verified.exit_code == 0, verified.output


async def test_a_patient_whose_key_leaked_gets_new_versions_under_a_new_key(
    fhir: httpx.AsyncClient, run: Run, mongo_admin: MongoClient[dict[str, Any]], database: str
) -> None:
    await put_patients(fhir, "a")
    result = await run("keys", "reseal", "a")
    assert (result.exit_code, result.output) == (0, "Sealed Patient/a under a new key: 1 new versions.\n")
    keys = {row["_id"]: row["key"] for row in mongo_admin[database]["revisions"].find({}, {"key": 1})}
    assert keys == {"Patient/a/1": "Patient/a#1", "Patient/a/2": "Patient/a#2"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["erase", "nobody", "--reason", "x", "--yes"], 1, "not known"),
        (["erase", "a", "--reason", "x"], 2, "add --yes"),
        (["erase", "a", "--reason", " ", "--yes"], 2, "a reason is needed"),
        (["erase", "a b", "--reason", "x", "--yes"], 2, "not a FHIR id"),
        (["erase", "a", "--yes"], 2, "--reason"),
    ],
)
async def test_an_erasure_that_is_not_meant_or_not_possible_ends_before_anything_happens(
    fhir: httpx.AsyncClient, run: Run, arguments: list[str], code: int, said: str
) -> None:
    await put_patients(fhir, "a")
    result = await run(*arguments)
    shown = result.output + str(result.exception)
    assert said in shown
    assert result.exit_code == code or code == 1
    assert (await fhir.get("/Patient/a")).status_code == 200


async def test_without_a_server_a_command_starts_the_embedded_database_itself(tmp_path: Path) -> None:
    runner = typer.testing.CliRunner()
    for _ in range(2):
        result = await asyncio.to_thread(runner.invoke, commands, ["verify", "--data-dir", str(tmp_path)], env={})
        assert result.exit_code == 0, result.output
