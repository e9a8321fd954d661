"""`chartvault knowledge`: the tables that the interaction check goes by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from api.commands.operating import operating, operator_entry, operator_name
from api.commands.options import DataDir
from domain.clinic.drug_knowledge import TABLES
from domain.clinic.drug_tables import Tables
from domain.errors import InvalidFields

Name = Annotated[str, typer.Argument(help="Name of the tables; `onc` are those that come along.")]


def import_(
    name: Name,
    folder: Annotated[Path, typer.Argument(help="Folder with ddi_drugs.csv, ddi_classes.csv and ddi_rules.csv.")],
    data_dir: DataDir = None,
) -> None:
    """Import tables as the next version of their name; the next check uses them."""
    texts = {table: _text(folder / f"{table}.csv") for table in TABLES}
    try:
        made = uvloop.run(_put(name, texts, data_dir))
    except InvalidFields as error:
        for issue in error.issues:
            typer.echo(f"{issue.expression or name}: {issue.message}", err=True)
        raise typer.Exit(1) from None
    typer.echo(_line(made))


def export(
    name: Name,
    folder: Annotated[Path, typer.Argument(help="Folder for the three CSV files; made if it is missing.")],
    data_dir: DataDir = None,
) -> None:
    """Write the newest version of tables as CSV files that can be changed and imported again."""
    texts = uvloop.run(_texts(name, data_dir))
    folder.mkdir(parents=True, exist_ok=True)
    for table, text in texts.items():
        (folder / f"{table}.csv").write_text(text, "utf-8")
        typer.echo(folder / f"{table}.csv")


def retire(name: Name, data_dir: DataDir = None) -> None:
    """Take tables out of use; their versions stay."""
    typer.echo(_line(uvloop.run(_put(name, None, data_dir))))


def list_(data_dir: DataDir = None) -> None:
    """Show the newest version of all tables, one line each."""
    for tables in uvloop.run(_list(data_dir)):
        typer.echo(_line(tables))


def _line(tables: Tables) -> str:
    state = "in use" if tables.active else "not in use"
    held = f"{tables.rules} rules, {tables.drugs} drugs, {tables.classes} classes"
    return f"{tables.name}\tversion {tables.number}\t{state}\t{tables.version}\t{held}"


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{path} is not UTF-8") from None


async def _put(name: str, texts: Mapping[str, str] | None, data_dir: Path | None) -> Tables:
    async with operating(data_dir) as parts:
        await parts.trail.record(operator_entry(parts, "drug-tables-retire" if texts is None else "drug-tables-import"))
        return await parts.drug_tables.put(name, texts, by=operator_name())


async def _texts(name: str, data_dir: Path | None) -> Mapping[str, str]:
    async with operating(data_dir) as parts:
        return await parts.drug_tables.texts(name)


async def _list(data_dir: Path | None) -> list[Tables]:
    async with operating(data_dir) as parts:
        return list(await parts.drug_tables.listed())
