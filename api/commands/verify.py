"""`chartvault verify`: is everything that is stored what was written?"""

from __future__ import annotations

import typer
import uvloop

from api.commands.operating import operating, shown
from api.commands.options import DataDir


def verify(data_dir: DataDir = None) -> None:
    """Walk every version, current document and audit entry, and name every difference.

    Works beside a running server. The exit code is 1 when something was found.
    """
    if uvloop.run(_verify(data_dir)):
        raise typer.Exit(1)


async def _verify(data_dir: DataDir) -> int:
    """Print findings as they come and a summary. Returns how many there were."""
    from api.wiring import findings

    found = 0
    with shown("Opening") as progress:
        async with operating(data_dir) as parts:
            async for finding in findings(parts, progress):
                typer.echo(str(finding))
                found += 1
    typer.echo(f"{'Clean' if not found else f'{found:,} findings'}. Checked: {progress}")
    return found
