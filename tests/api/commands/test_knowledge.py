"""`chartvault knowledge` over the database of a running application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TypeAlias

import pytest
import typer.testing
from click.testing import Result
from litestar import Litestar

from api.cli import app as commands
from api.environment import environment_of
from api.settings import Settings
from domain.clinic.drug_interactions import Medication

Run: TypeAlias = Callable[..., Coroutine[None, None, Result]]
PAIR = [Medication("Aspirin"), Medication("Moon dust")]


@pytest.fixture
def run(settings: Settings) -> Run:
    async def run(*arguments: str) -> Result:
        invoke = typer.testing.CliRunner().invoke
        return await asyncio.to_thread(invoke, commands, ["knowledge", *arguments], env=environment_of(settings))

    return run


async def test_exported_tables_are_changed_and_imported_and_the_running_server_uses_them(
    app: Litestar, run: Run, tmp_path: Path
) -> None:
    tables = app.state.v1._service.prescribing.tables
    assert (await run("export", "onc", str(tmp_path / "tables"))).exit_code == 0
    drugs, rules = tmp_path / "tables" / "ddi_drugs.csv", tmp_path / "tables" / "ddi_rules.csv"
    drugs.write_text(drugs.read_text() + "1191,aspirin,,\n,moon dust,,\n")
    rule = "own,drug,1191,drug,moon dust,major,Made up.,Ask.,Our committee,,own-1,true\n"
    rules.write_text(rules.read_text() + rule)
    assert (await tables.active()).check(PAIR).unresolved == ("Aspirin", "Moon dust")
    made = await run("import", "clinic", str(tmp_path / "tables"))
    assert made.exit_code == 0, made.output
    assert made.stdout.startswith("clinic\tversion 1\tin use\tonc-2012+own-1\t")
    assert [each.severity for each in (await tables.active()).check(PAIR).alerts] == ["major"]
    assert "not in use" in (await run("retire", "clinic")).stdout
    assert (await tables.active()).check(PAIR).alerts == ()
    assert [line.split("\t")[0] for line in (await run("list")).stdout.splitlines()] == ["clinic", "onc"]


async def test_tables_that_cannot_be_used_are_refused_line_by_line(app: Litestar, run: Run, tmp_path: Path) -> None:
    assert (await run("export", "onc", str(tmp_path))).exit_code == 0
    rules = tmp_path / "ddi_rules.csv"
    rules.write_text(rules.read_text().replace("contraindicated", "deadly", 1))
    refused = await run("import", "clinic", str(tmp_path))
    assert refused.exit_code == 1
    assert "ddi_rules[2]: The kinds are drug and class" in refused.stderr
    assert len((await run("list")).stdout.splitlines()) == 1
