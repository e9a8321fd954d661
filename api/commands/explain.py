"""`chartvault explain`: how the database answers a search, and what it looks at for it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl

import typer
import uvloop

from api.commands.operating import operating
from api.commands.options import DataDir


def explain(
    search: Annotated[str, typer.Argument(help="A search of one type, as after /fhir/: Observation?code=8867-4")],
    data_dir: DataDir = None,
) -> None:
    """Run a search and print its index, its plan, and what was examined and returned.

    What chains and _has ask first comes first, each as a search of its own.
    Where an index cannot decide or order, the candidates it gives are explained.
    """
    uvloop.run(_explain(search, data_dir))


async def _explain(search: str, data_dir: DataDir) -> None:
    from api.wiring import explained

    resource_type, _, query = search.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    async with operating(data_dir) as opened:
        steps = await explained(opened, resource_type, pairs)
    for number, step in enumerate(steps, 1):
        if len(steps) > 1:
            typer.echo(f"{number}          {step.type}")
        typer.echo(f"index      {step.lead}")
        typer.echo(f"plan       {' < '.join(step.stages)}")
        typer.echo(f"examined   {step.documents_examined:,} documents, {step.keys_examined:,} keys")
        typer.echo(f"returned   {step.returned:,}, in {step.milliseconds} ms")
        if step.opening:
            typer.echo("opened     every candidate, to decide or to sort")
