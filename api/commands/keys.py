"""`chartvault keys`: replacing keys, as a habit (`rotate`) or after one has leaked (`reseal`)."""

from __future__ import annotations

from typing import Annotated

import typer
import uvloop

from api.commands.operating import operating, operator_entry, shown
from api.commands.options import DataDir


def rotate(data_dir: DataDir = None) -> None:
    """Replace the master key, the data key and the keys of directory and audit, while the server runs.

    May be interrupted and run again. The exit code is 1 when it has to be run again.
    """
    if not uvloop.run(_rotate(data_dir)):
        typer.echo("Old keys are still in use: run this command again in a minute.", err=True)
        raise typer.Exit(1)
    typer.echo("Rotated: everything is held by new keys.")


def reseal(
    patient_id: Annotated[str, typer.Argument(help="Logical id of the Patient whose key has leaked.")],
    data_dir: DataDir = None,
) -> None:
    """Give a patient a new key, and each live resource a new version under it, after the old key has leaked.

    Old versions stay under the old key: whoever has it may have a copy of them anyway.
    """
    patient = patient_id.removeprefix("Patient/")
    done = uvloop.run(_reseal(patient, data_dir))
    typer.echo(f"Sealed Patient/{patient} under a new key: {done:,} new versions.")


def revoke(data_dir: DataDir = None) -> None:
    """Stop believing every token signed so far, after a signing key has leaked; new keys sign at once.

    Running servers follow within 10 seconds, and have forgotten what they had checked before within 60. People and apps stay
    logged in: they renew their access tokens.
    """
    typer.echo(f"Revoked {uvloop.run(_revoke(data_dir))} signing keys.")


async def _rotate(data_dir: DataDir) -> bool:
    from api.wiring import rotate as rotate_all

    with shown("Rotating, and waiting until every process uses the new keys") as progress:
        async with operating(data_dir) as parts:
            return await rotate_all(parts, operator_entry(parts, "rotate"), progress)


async def _reseal(patient: str, data_dir: DataDir) -> int:
    from api.wiring import reseal as reseal_all

    with shown("Sealing again, once every process has forgotten the old key") as progress:
        async with operating(data_dir) as parts:
            entry = operator_entry(parts, "rotate", patient)
            return await reseal_all(parts, entry, patient=patient, progress=progress)


async def _revoke(data_dir: DataDir) -> int:
    async with operating(data_dir) as parts:
        await parts.trail.record(operator_entry(parts, "rotate"))
        return await parts.signatures.revoke()
