"""Whether documents can be kept in the bucket, asked in a process of its own: `python -m api.commands.probing`.

Workers are forked from the main process, and the S3 client of a process that was forked from one which has used it never
answers: its threads are not there any more. So the main process never uses it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import api
from api.environment import environment_of, load_settings
from api.settings import Settings
from domain.errors import DomainError, Unavailable


async def probed(settings: Settings) -> None:
    """Put, get and delete a small object. Raises `Unavailable` with a sentence that says what to change."""
    paths = [str(Path(api.__path__[0]).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, **environment_of(settings), "PYTHONPATH": os.pathsep.join(paths)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "api.commands.probing", env=environment, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise Unavailable(said.decode(errors="replace").strip() or "The blob store could not be tried")


async def _probe(settings: Settings) -> None:
    from api.wiring import opened

    async with opened(settings) as parts:
        await parts.upkeep.blobs.store.probe()


def _main() -> int:
    try:
        asyncio.run(_probe(load_settings()))
    except DomainError as error:
        print(error.message)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
