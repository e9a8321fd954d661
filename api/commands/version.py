"""`chartvault version`: what to write into a report."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as release

import typer


def version() -> None:
    """Print the versions of Chartvault, Python, the MongoDB driver and the HTTP server."""
    try:
        ours = release("chartvault")
    except PackageNotFoundError:
        ours = "(not installed)"
    typer.echo(
        f"chartvault {ours} (Python {platform.python_version()}, pymongo {release('pymongo')}, "
        f"granian {release('granian')}, FHIR 4.0.1)"
    )
