"""`chartvault erase`: destroy one patient's key, so that nothing of that patient can be read again."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Annotated

import typer
import uvloop

from api.commands.operating import operating, operator_entry, shown
from api.commands.options import DataDir
from domain.errors import Unavailable


def erase(
    patient_id: Annotated[str, typer.Argument(help="Logical id of the Patient, without 'Patient/'.")],
    reason: Annotated[str, typer.Option(help="Why; kept sealed in the signed record of the erasure.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. Needed where nobody can answer.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Erase a patient for good: every version in the patient's compartment becomes unreadable, for everybody.

    There is no way back but a backup of the keys. Returns when every running server has forgotten the key.
    """
    from domain.errors import InvalidRequest
    from domain.identity import parse_id

    try:
        patient = parse_id(patient_id.removeprefix("Patient/"))
    except InvalidRequest as error:
        raise typer.BadParameter(error.message) from None
    if not reason.strip():
        raise typer.BadParameter("a reason is needed: the record of the erasure keeps it")
    _require_meant(patient, yes)
    uvloop.run(_erase(patient, reason.strip(), data_dir))


def _require_meant(patient: str, yes: bool) -> None:
    """Raise unless a person typed the id again or `--yes` was given."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked here: add --yes to erase without a question")
    if typer.prompt(f"This cannot be undone. Type the id again to erase Patient/{patient}") != patient:
        typer.echo("The ids differ: nothing was erased.", err=True)
        raise typer.Exit(1)


async def _erase(patient: str, reason: str, data_dir: DataDir) -> None:
    from api.wiring import erase as erase_for_good

    with shown(f"Erasing Patient/{patient}, and waiting until every process has forgotten the key") as progress:
        async with operating(data_dir) as parts:
            record = operator_entry(parts, "erase", patient)
            stone = await erase_for_good(parts, record, patient=patient, reason=reason, progress=progress)
            with suppress(Unavailable):  # nothing can open the objects any more; the server sweeps them later
                await parts.upkeep.sweep_in_turn()
    typer.echo(f"Erased Patient/{patient}: {stone.revisions:,} versions cannot be opened any more.")
