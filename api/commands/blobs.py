"""`chartvault blobs` and `chartvault bucket`: removing what is left of uploads, reading every document, making a bucket."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer
import uvloop

from api.commands.operating import operating, shown
from api.commands.options import DataDir, duration_seconds


def sweep(
    older_than: Annotated[
        str | None,
        typer.Option(
            help="Give up uploads that nobody published for so long. (default: CHARTVAULT_BLOB_PENDING_HOURS)"
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Remove what is left of uploads that were given up, and the documents of erased patients.

    A running server does this by itself every ten minutes.
    """
    waited = None if older_than is None else timedelta(seconds=duration_seconds(older_than))
    uvloop.run(_sweep(waited, data_dir))


def check(data_dir: DataDir = None) -> None:
    """Read every document, and name each that is missing, truncated, extended, altered or another one.

    Names objects that no record knows, too. Works beside a running server. The exit code is 1 when something was found.
    """
    if uvloop.run(_check(data_dir)):
        raise typer.Exit(1)


def init(
    versioning: Annotated[bool, typer.Option("--versioning", help="Keep old versions of removed objects.")] = False,
    lock_days: Annotated[
        int, typer.Option(help="Keep every version for so many days, whoever asks (object lock).", min=0, max=36_500)
    ] = 0,
    compliance: Annotated[
        bool, typer.Option("--compliance", help="Lock in compliance mode: not even the account's owner can undo it.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Create the bucket of CHARTVAULT_BLOB_URL if it is missing, configure it, and check that documents can be kept in it."""
    if compliance and not lock_days:
        raise typer.BadParameter("--compliance needs --lock-days")
    for sentence in uvloop.run(_init(data_dir, versioning=versioning, lock_days=lock_days, compliance=compliance)):
        typer.echo(sentence)


async def _sweep(waited: timedelta | None, data_dir: DataDir) -> None:
    with shown("Sweeping") as progress:
        async with operating(data_dir) as parts:
            swept = await parts.upkeep.sweep(pending_for=waited, progress=progress)
    typer.echo(
        f"Given up {swept.expired:,} uploads, removed {swept.objects:,} objects and the records of {swept.records:,}."
    )


async def _check(data_dir: DataDir) -> int:
    """Print findings as they come and a summary. Returns how many there were."""
    found = 0
    with shown("Reading every document") as progress:
        async with operating(data_dir) as parts:
            async for finding in parts.upkeep.findings(progress):
                typer.echo(str(finding))
                found += 1
    typer.echo(f"{'Clean' if not found else f'{found:,} findings'}. Checked: {progress}")
    return found


async def _init(data_dir: DataDir, *, versioning: bool, lock_days: int, compliance: bool) -> list[str]:
    async with operating(data_dir) as parts:
        return await parts.upkeep.prepare_bucket(versioning=versioning, lock_days=lock_days, compliance=compliance)
