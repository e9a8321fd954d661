"""`chartvault serve`: one command to a running server, with its own MongoDB unless there is a cluster to use.

Order of life: MongoDB, then workers, then the welcome; and back: workers finish their requests, then MongoDB closes its
files. The main process only looks after the others.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import msgspec
import typer

from api.commands.options import DataDir
from api.environment import environment_of, load_settings
from api.settings import Settings


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. (default 127.0.0.1)")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. (default 8000)", min=1, max=65535)] = None,
    data_dir: DataDir = None,
    workers: Annotated[int | None, typer.Option(help="Server processes. (default 1)", min=1, max=64)] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Load synthetic patients once the server answers.")] = False,
) -> None:
    """Run the server, with a MongoDB of its own unless CHARTVAULT_MONGODB_URI names a cluster."""
    from api.running import withdraw
    from api.serving import in_background, require_free
    from api.serving import serve as run
    from api.welcome import welcome

    settings = load_settings(host=host, port=port, data_dir=data_dir, workers=workers)
    require_free(settings.host, settings.port)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _database(settings) as (serving, keep_running):
        asyncio.run(_prepare(serving))
        os.environ.update(environment_of(serving))

        def once_workers_run() -> None:
            keep_running()
            in_background(lambda: welcome(settings, demo=demo), "welcome")

        try:
            run(serving, once_workers_run)
        finally:
            withdraw(settings.data_dir)
    typer.echo("Stopped.")


@contextmanager
def _database(settings: Settings) -> Iterator[tuple[Settings, Callable[[], None]]]:
    """The settings with a database that runs, and what keeps it running once threads may be started."""
    if not settings.embedded:
        yield settings, lambda: None
        return
    from api.wiring import embedded_mongo

    server = embedded_mongo(settings)
    uri = server.start()

    def keep_running() -> None:
        server.keep_running(lambda code: typer.echo(f"MongoDB ended (code {code}); starting it again", err=True))

    try:
        yield msgspec.structs.replace(settings, mongodb_uri=uri), keep_running
    finally:
        server.stop()


async def _prepare(settings: Settings) -> None:
    """Open everything once: what is wrong is said here and not by each worker, which finds all in place."""
    from api.commands.probing import probed
    from api.wiring import opened

    async with opened(settings) as parts:
        if settings.blob_address.startswith("s3://"):
            await probed(settings)
        else:
            await parts.upkeep.blobs.store.probe()
