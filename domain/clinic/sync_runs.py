"""One synchronisation with a patient's provider as it goes on, and where it is kept.

A run is queued once for a patient, held by one process at a time (a lease with heartbeat), and taken over from one that fell
silent, where it was: types that are done stay done, entries that came are known by their hash. Every taking raises `fence`;
what a holder that lost its lease still tries to store is refused, as in `domain/jobs.py`. PRODUCT 3.2, item 7.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, Protocol, TypeAlias

import msgspec

from domain.clinic.provider_ports import Cause

Trigger: TypeAlias = Literal["MANUAL", "AUTOMATIC"]
State: TypeAlias = Literal["QUEUED", "RUNNING", "COMPLETED", "PARTIAL", "FAILED", "CANCELLED"]
MOST_TAKINGS = 8
"""A run that was taken over that often ends whoever takes it."""
LEASE = timedelta(seconds=10)
"""How long a run belongs to a process that says nothing more."""
MOST_TROUBLES = 100
"""Troubles a run tells of one by one; the tallies count them all."""


class Tally(msgspec.Struct, frozen=True):
    """What came of one type. `total` counts what the provider has shown, `new` and `changed` what was taken of it."""

    type: str
    total: int = 0
    new: int = 0
    changed: int = 0
    errors: int = 0
    done: bool = False


class Trouble(msgspec.Struct, frozen=True):
    """What went wrong: with everything, with a `type`, or with one `item` (`Observation/7`, as the provider calls it)."""

    cause: Cause
    type: str | None = None
    item: str | None = None

    def __repr__(self) -> str:
        return f"Trouble({self.cause})"


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run is. `marks` are the provider's times at which each type was last asked for and came completely."""

    stage: str | None = None
    tallies: tuple[Tally, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    marks: dict[str, datetime] = {}

    def __repr__(self) -> str:
        return f"Progress({len(self.tallies)} types)"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run; its id is that of its Task. `by` are the people who asked for it, as recipients of notices.

    `agreed` is the version of the connection it ran with, `place` the patient's address there, `failures` how many runs before
    it failed in a row.
    """

    id: str
    patient: str
    trigger: Trigger
    created: datetime
    agreed: int
    place: str
    full: bool = False
    types: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    failures: int = 0
    state: State = "QUEUED"
    fence: int = 0
    cancel: bool = False
    started: datetime | None = None
    ended: datetime | None = None
    progress: Progress = Progress()

    def __repr__(self) -> str:
        return f"Run({self.id}, {self.state})"

    @property
    def open(self) -> bool:
        return self.state in ("QUEUED", "RUNNING")


class Runs(Protocol):
    """Implemented by `storage.mongo.sync_runs`. What a run holds besides times and states is sealed with the patient's key."""

    async def enqueue(self, run: Run) -> Run:
        """Store it, unless the patient has one that is not over: then that one is returned. Raises `Gone` for a patient who
        was erased."""
        ...

    async def arrived(self, seconds: float) -> None:
        """Wait until this process has queued one, `seconds` at most."""
        ...

    async def get(self, run_id: str) -> Run | None: ...

    async def newest(self, patient: str) -> Run | None:
        """The run of a patient that was queued last."""
        ...

    async def claim(self, *, now: datetime, until: datetime) -> Run | None:
        """The run that has waited longest, or whose holder fell silent, now running under a new fence; `None` without one."""
        ...

    async def step(self, run: Run, *, until: datetime) -> bool:
        """Store how far it is, and keep it until then. Whether it is to be cancelled. Raises `Contention` when its fence is
        not the newest any more."""
        ...

    async def beat(self, run: Run, *, until: datetime) -> bool:
        """Keep it until then; the rest as `step`."""
        ...

    async def end(self, run: Run) -> None:
        """Store it as over, as `run.state` says. Raises `Contention` when its fence is not the newest any more."""
        ...

    async def cancel(self, run_id: str) -> Run | None:
        """Cancel one that is queued, or have who runs it stop; the run as it is then. Nothing happens to one that is over."""
        ...
