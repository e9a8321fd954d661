"""How long work tells how far it is: `progress("revisions", 1200)`, called often, shown by the command line."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    def __call__(self, stage: str, done: int) -> None:
        """`done` items of `stage` are finished."""
        ...


def unseen(stage: str, done: int) -> None:
    """Progress nobody looks at."""
