"""`chartvault bench`: how fast a server is, ours or another, with the ceilings of the machine printed beside it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple
from urllib.parse import urlsplit

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from api.bench.engine import Told
    from api.bench.report import Report
    from api.bench.run import Plan, Target

_UNUSABLE = 3
_CALIBRATION_SECONDS = 3.0
_WIDTH = 150


def bench(
    base: Annotated[
        str | None, typer.Option(envvar="CHARTVAULT_BASE", help="FHIR base to measure. (default: a server of its own)")
    ] = None,
    token: Annotated[str | None, typer.Option(envvar="CHARTVAULT_TOKEN", help="Access token for --base.")] = None,
    peer: Annotated[str | None, typer.Option(help="FHIR base of a server to compare with, round by round.")] = None,
    peer_token: Annotated[str | None, typer.Option(envvar="PEER_TOKEN", help="Access token for --peer.")] = None,
    cells: Annotated[
        str,
        typer.Option(
            help="What to measure: create, read, update, crud36, import, tx2, mix, "
            "search_name, search_obs, search30, growth, access, blob."
        ),
    ] = "create,read,update,crud36,import,tx2,search_name,search_obs,search30",
    connections: Annotated[str, typer.Option(help="Connections, each with one request under way.")] = "1,16,64",
    seconds: Annotated[float, typer.Option(help="Length of a round.", min=0.1)] = 15.0,
    warmup: Annotated[float, typer.Option(help="Warm-up before each round, in seconds.", min=0.0)] = 3.0,
    rounds: Annotated[int, typer.Option(help="Rounds of each cell; the median counts.", min=1)] = 3,
    blob_mb: Annotated[int, typer.Option(help="Size of the document of blob, in MB.", min=1)] = 200,
    data: Annotated[Path | None, typer.Option(help="Folder or archive of transaction Bundles for the import.")] = None,
    filled: Annotated[bool, typer.Option(help="Search what --base holds already, and store nothing for that.")] = False,
    mongodb_uri: Annotated[str | None, typer.Option(help="Database behind --base, to calibrate and to weigh.")] = None,
    database: Annotated[str, typer.Option(help="Name of that database.")] = "chartvault",
    pids: Annotated[str, typer.Option(help="Processes of --base whose CPU time counts. (default: found by port)")] = "",
    peer_pids: Annotated[str, typer.Option(help="The same for --peer.")] = "",
    practitioner: Annotated[
        str | None, typer.Option(envvar="PRACTITIONER_TOKEN", help="Token of Practitioner/bench at --base, for access.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="File for the result, machine-readable.")] = None,
) -> None:
    """Measure a server over HTTP. A cell with a single wrong answer is void, and makes the exit code 1."""
    import uvloop
    from rich.console import Console

    from api.bench.cells import NAMES
    from api.bench.run import Plan

    names = [name for name in cells.split(",") if name]
    if not names or not {name.partition("/")[0] for name in names} <= set(NAMES):
        raise typer.BadParameter(f"cells are some of {', '.join(NAMES)}", param_hint="--cells")
    loops = _numbers(connections, "--connections")
    plan = Plan(names, loops, seconds, warmup, rounds, _bundles(data), filled, blob_mb=blob_mb)
    console = Console(width=max(Console().width, _WIDTH))

    async def whole() -> Report:
        async with AsyncExitStack() as stack:
            ours = await stack.enter_async_context(
                _given(base, token, pids, mongodb_uri, practitioner) if base else _own(names)
            )
            targets = [ours.target, _target("peer", peer, peer_token, peer_pids)] if peer else [ours.target]
            with _progress(console) as told:
                return await _measured(plan, targets, ours, database, told)

    if _shown(uvloop.run(whole()), console, json).void:
        raise typer.Exit(1)


def _shown(report: Report, console: Console, json: Path | None) -> Report:
    from api.bench.report import as_json, tables

    for table in tables(report):
        console.print(table)
    if json is not None:
        json.write_bytes(as_json(report))
    return report


@contextmanager
def _progress(console: Console) -> Iterator[Told]:
    """A line that says what is being done, with a bar for what takes long."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    # A bar that moves costs the very cores that are measured: it is drawn twice a second.
    with Progress(*columns, console=console, transient=True, refresh_per_second=2) as progress:
        task = progress.add_task("starting", total=None)

        def told(step: str, done: int | None = None, total: int | None = None) -> None:
            progress.update(task, description=step, completed=done or 0, total=total)

        yield told


async def _measured(plan: Plan, targets: list[Target], ours: Measured, database: str, told: Told) -> Report:
    from api.bench.calibration import calibrate
    from api.bench.engine import Wrong
    from api.bench.footprint import Footprint, footprint
    from api.bench.run import run

    uri, plan = ours.mongodb_uri, plan._replace(practitioner=ours.practitioner)

    async def ceilings(names: Sequence[str]) -> dict[str, float]:
        return await calibrate(uri or "", names, seconds=min(_CALIBRATION_SECONDS, plan.seconds))

    async def weigh() -> Footprint:
        return await footprint(uri or "", database)

    try:
        return await run(plan, targets, calibrate=ceilings if uri else None, told=told, weigh=weigh if uri else None)
    except Wrong as error:
        typer.echo(f"chartvault: {error}", err=True)
        raise typer.Exit(_UNUSABLE) from None


class Measured(NamedTuple):
    """A server to measure, the database behind it, and the token of a practitioner, where there are such."""

    target: Target
    mongodb_uri: str | None
    practitioner: str | None


@asynccontextmanager
async def _own(names: Sequence[str]) -> AsyncIterator[Measured]:
    """A server of our own over a new data folder that goes with it."""
    import msgspec

    from api.bench.practitioner import practitioner_token
    from api.bench.processes import CpuMeter
    from api.bench.run import Target
    from api.environment import load_settings
    from api.local_server import started_server
    from api.wiring import embedded_mongo

    with tempfile.TemporaryDirectory(prefix="chartvault-bench-") as folder:
        settings = load_settings(data_dir=Path(folder))
        async with started_server(settings, client="chartvault-bench") as server:
            uri = settings.mongodb_uri or embedded_mongo(settings).attach()
            known = msgspec.structs.replace(settings, mongodb_uri=uri)
            asked = any(name.startswith("access") for name in names)
            token = await practitioner_token(known) if asked else None
            yield Measured(Target("base", server.base, server.token, CpuMeter([server.pid])), uri, token)


@asynccontextmanager
async def _given(
    base: str, token: str | None, pids: str, mongodb_uri: str | None, practitioner: str | None
) -> AsyncIterator[Measured]:
    yield Measured(_target("base", base, token, pids), mongodb_uri, practitioner)


def _target(name: str, base: str, token: str | None, pids: str) -> Target:
    from api.bench.processes import CpuMeter, listening_on
    from api.bench.run import Target

    url = urlsplit(base)
    local = url.hostname in ("127.0.0.1", "::1", "localhost")
    port = url.port or (443 if url.scheme == "https" else 80)
    roots = _numbers(pids, "--pids") if pids else listening_on(port) if local else []
    return Target(name, base, token, CpuMeter(roots))


def _bundles(data: Path | None) -> list[tuple[bytes, int]] | None:
    """The transaction Bundles of a folder or archive, at most 40, with the number of their entries."""
    if data is None:
        return None
    from api.loading.parcels import Parcel, parcels_of
    from api.loading.sources import SourceError, documents, expand

    found: list[tuple[bytes, int]] = []
    try:
        for document in documents(expand([data])):
            with document.open() as stream:
                parcels = [p for p in parcels_of(document.kind, stream) if isinstance(p, Parcel)]
            found += [(p.body, len(p.indexes)) for p in parcels if not p.batch and not p.path]
            if len(found) >= 40:
                break
    except SourceError as error:
        raise typer.BadParameter(str(error), param_hint="--data") from None
    if not found:
        raise typer.BadParameter("no transaction Bundle there", param_hint="--data")
    return found[:40]


def _numbers(text: str, option: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise typer.BadParameter("whole numbers separated by commas are expected", param_hint=option)
    return [int(part) for part in parts]
