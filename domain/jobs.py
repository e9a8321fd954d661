"""Background work that outlives its request and its process: re-describing resources for searches.

A job is claimed for a while (a lease), says after every step how far it is (the heartbeat), and is taken over by another
process when its holder falls silent. Each claim raises `fence`: what a holder that lost its lease still tries to store is
refused, together with its progress.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

import msgspec

from domain.identity import FhirJson
from domain.revision import Described

State: TypeAlias = Literal["queued", "running", "completed", "failed"]


class Job(msgspec.Struct, frozen=True):
    """One reindexing of `types`. `turn` and `cursor` say where it goes on: after the resource of that name."""

    id: str
    types: tuple[str, ...]
    created: datetime
    state: State = "queued"
    turn: int = 1
    cursor: str = ""
    done: int = 0
    total: int | None = None
    fence: int = 0
    started: datetime | None = None
    updated: datetime | None = None
    problem: str | None = None


class Jobs(Protocol):
    """Background jobs. Implemented by `storage.mongo.jobs`."""

    async def enqueue(self, job: Job) -> Job:
        """Store a job; when there is one of that id already, nothing is stored and that one is returned."""
        ...

    async def get(self, job_id: str) -> Job | None: ...

    async def retry(self, job_id: str) -> None:
        """Queue a failed job again; nothing happens to any other."""
        ...

    async def claim(self, *, before: datetime, now: datetime, until: datetime) -> Job | None:
        """The oldest job created before `before` that is not over, now running under a new fence until `until`; `None`
        when there is none, or while another process runs one."""
        ...

    async def step(self, job: Job, described: Sequence[Described], *, until: datetime) -> bool:
        """Store these descriptions and the job as it stands after them together, and keep it until `until`.

        Descriptions of versions that are no longer the newest change nothing. False when writers were in the way:
        nothing was stored, try again. Raises `Contention` when the fence is not the newest any more.
        """
        ...


class CustomSearch(Protocol):
    """Search parameters of one's own, as this process knows them. Implemented by `fhir_mapping.custom_parameters`."""

    def types_of(self, content: FhirJson) -> tuple[str, ...]:
        """The types a SearchParameter resource adds something to; none if it has no effect."""
        ...

    def replace(self, rows: Sequence[tuple[FhirJson, bool]]) -> None:
        """From now on these SearchParameter resources count, each with whether searches may use it."""
        ...
