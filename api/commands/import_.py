"""`chartvault import`: Bundles, resources and NDJSON into a server, in order, with a report, and nothing twice."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from api.commands.options import DataDir

if TYPE_CHECKING:
    from api.loading.run import Summary

_UNUSABLE = 3
_TIMEOUT_SECONDS = 180.0


class _Target(NamedTuple):
    """Where to import to, and where to remember what arrived."""

    base: str
    token: str | None
    ledger: Path | None


def import_(
    paths: Annotated[list[Path], typer.Argument(help="Files, folders or archives: .json .ndjson .gz .zst .tar …")],
    base: Annotated[
        str | None,
        typer.Option(envvar="CHARTVAULT_BASE", help="FHIR base of a server. (default: that of the data folder)"),
    ] = None,
    token: Annotated[str | None, typer.Option(envvar="CHARTVAULT_TOKEN", help="Access token for --base.")] = None,
    data_dir: DataDir = None,
    jobs: Annotated[
        int, typer.Option(help="Files under way at a time; 1 keeps them strictly apart.", min=1, max=64)
    ] = 4,
    state: Annotated[
        Path | None,
        typer.Option(help="File that remembers what arrived. (default: in the data folder; none with --base)"),
    ] = None,
) -> None:
    """Import Bundles, single resources and NDJSON; stopped imports are taken up again by the same command.

    Files go in the order given, those of a folder by name, Synthea's hospitals and practitioners first. The exit code
    is 1 when something was not stored.
    """
    import uvloop

    from api.loading.sources import SourceError, expand

    try:
        files = expand(paths)
    except SourceError as error:
        raise typer.BadParameter(str(error)) from None
    if not files:
        raise typer.BadParameter("nothing to import: no .json, .ndjson (also .gz, .zst) or .tar file there")
    summary = uvloop.run(_run(files, base, token, data_dir, jobs, state))
    if summary.failed:
        raise typer.Exit(1)


async def _run(
    files: list[Path], base: str | None, token: str | None, data_dir: Path | None, jobs: int, state: Path | None
) -> Summary:
    from rich.console import Console

    from api.http_client import Client, HttpError
    from api.loading.delivery import NotAllowed, ServerLost
    from api.loading.ledger import Ledger
    from api.loading.progress import Bar
    from api.loading.run import Import
    from api.loading.sources import documents

    console = Console(stderr=True)
    started = time.monotonic()
    try:
        async with _target(base, token, data_dir, state) as target:
            headers = {"Authorization": f"Bearer {target.token}"} if target.token else {}
            with Ledger(target.ledger) as ledger, Bar(console, sum(f.stat().st_size for f in files)) as bar:
                async with Client(target.base, headers=headers, connections=jobs, seconds=_TIMEOUT_SECONDS) as client:
                    summary = await Import(client, ledger, bar, jobs=jobs).run(documents(files))
    except (NotAllowed, ServerLost, HttpError, ValueError) as error:
        typer.echo(f"chartvault: {error}. Run the same command again to take the import up where it stopped.", err=True)
        raise typer.Exit(_UNUSABLE) from None
    typer.echo(_told(summary, time.monotonic() - started))
    return summary


@asynccontextmanager
async def _target(
    base: str | None, token: str | None, data_dir: Path | None, state: Path | None
) -> AsyncIterator[_Target]:
    if base is not None:
        yield _Target(base, token, state)
        return
    from api.environment import load_settings
    from api.local_server import local_server

    settings = load_settings(data_dir=data_dir)
    async with local_server(settings, client="chartvault-import") as server:
        yield _Target(server.base, server.token, state or settings.data_dir / "import.ledger")


def _told(summary: Summary, seconds: float) -> str:
    """The summary in one line; what the server had already is counted apart from what the ledger spared it."""
    arrived = summary.created + summary.present
    parts = [
        f"{summary.documents:,} files",
        f"{summary.created:,} created (now or by an earlier attempt)",
        f"{summary.present:,} updated or there already",
    ]
    if summary.skipped:
        parts.append(f"{summary.skipped:,} skipped (stored by an earlier run)")
    parts.append(f"{summary.failed:,} problems")
    return f"{', '.join(parts)}; {seconds:.1f} s, {arrived / seconds if seconds else 0:,.0f} resources/s"
