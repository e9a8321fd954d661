"""What the operators' commands share: who asks (the audit names a person), the opened store, and shown progress."""

from __future__ import annotations

import getpass
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rich.console import Console
from rich.status import Status

from api.commands.database import reachable
from api.environment import load_settings
from domain.access import Caller
from domain.audit import AuditEntry, entry

if TYPE_CHECKING:
    from api.wiring import Opened

Count: TypeAlias = dict[str, int]


@asynccontextmanager
async def operating(data_dir: Path | None) -> AsyncIterator[Opened]:
    """The parts over the database of `data_dir`, whether a server runs there or not."""
    from api.wiring import opened

    with reachable(load_settings(data_dir=data_dir)) as settings:
        async with opened(settings) as parts:
            yield parts


def operator_name() -> str:
    """Who the audit names for an operator's command."""
    return f"operator:{_account()}"


def operator_entry(parts: Opened, interaction: str, patient: str | None = None) -> AuditEntry:
    """The audit entry of an operator's command, under the name of the account it runs as."""
    operator = Caller(subject=operator_name(), client="chartvault-cli", token_id="none", rights={})  # noqa: S106
    return entry(
        operator,
        interaction,
        recorded=parts.parts.clock(),
        request_id=parts.parts.new_id(),
        status=200,
        targets=(f"Patient/{patient}",) if patient else (),
        patients=(patient,) if patient else (),
    )


class Shown:
    """Counts by stage, shown on standard error while a person watches. Implements the progress of storage."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self.counts: Count = {}

    def __call__(self, stage: str, done: int) -> None:
        self.counts[stage] = done
        self._status.update(str(self))

    def __str__(self) -> str:
        return ", ".join(f"{stage} {done:,}" for stage, done in self.counts.items())


@contextmanager
def shown(what: str) -> Iterator[Shown]:
    """Show `what` and then the counts; nothing is drawn when standard error is not a terminal."""
    with Console(stderr=True).status(what) as status:
        yield Shown(status)


def _account() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container with a number and no name
        return "unknown"
