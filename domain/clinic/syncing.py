"""Synchronisation with a patient's provider, as people ask for it: start, look, cancel, once more. PRODUCT F113-F118, F31.

Dieticians and doctors start it, for patients whose documents they may read; whoever may read the patient's documents sees what
came of it. What a run writes is written by the provider's authority, not by the rights of who started it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from domain import access
from domain.access import Caller, Role
from domain.clinic.acting import acting
from domain.clinic.provider_ports import Connection
from domain.clinic.sync_ending import stored
from domain.clinic.sync_items import Item
from domain.clinic.sync_parts import Sync
from domain.clinic.sync_runs import Progress, Run, Trigger
from domain.clinic.sync_taking import DOCUMENT
from domain.errors import Conflict, FailedDependency, Forbidden, InvalidFields, NotFound
from domain.identity import ResourceKey
from domain.interactions.guarding import may_see
from domain.interactions.parts import Occasion, Parts
from domain.interactions.read import read
from domain.revision import Head, Stored

ASKING: frozenset[Role] = frozenset({"DIETICIAN", "DOCTOR"})
"""Who asks a provider for something: S3:134 names dieticians; doctors have no less in the matrix."""
MOST_SHOWN = 200
"""Documents shown with a run."""


class Shown(NamedTuple):
    """A run, and the documents it brought."""

    run: Run
    documents: Sequence[Item]


async def start(
    sync: Sync, occasion: Occasion, patient: str, *, full: bool = False, types: tuple[str, ...] = ()
) -> tuple[Run, bool]:
    """Queue a run, and whether there was none under way: else that one. `full` asks for everything again, `types` narrows.

    Raises `NotFound`, `Forbidden`, `Conflict` (`not_connected`), `FailedDependency` (`credentials_expired`), `InvalidFields`.
    """
    connection = await connected(sync, occasion, patient)
    if not set(types) <= set(connection.types):
        raise InvalidFields(f"The connection has the types {', '.join(connection.types)}", expression="types")
    newest = await sync.runs.newest(patient)
    if newest is not None and newest.agreed == connection.version and _refused(newest):
        raise FailedDependency("Store new credentials with the connection", reason="credentials_expired")
    run = new_run(sync, connection, newest, trigger="MANUAL", full=full, types=types, by=told(occasion.caller))
    kept = await sync.runs.enqueue(run)
    if kept.id != run.id:
        return kept, False
    await stored(sync.parts, acting(occasion, "c", "Task"), sync.records.task(run, ()))
    return run, True


def _refused(run: Run) -> bool:
    return run.state == "FAILED" and any(each.cause == "unauthorized" for each in run.progress.troubles)


def new_run(
    sync: Sync,
    connection: Connection,
    newest: Run | None,
    *,
    trigger: Trigger,
    full: bool = False,
    types: tuple[str, ...] = (),
    by: tuple[str, ...] = (),
) -> Run:
    """A run that goes on where the one before stopped."""
    place = place_of(connection)
    same = newest is not None and newest.place == place
    return Run(
        id=sync.parts.new_id(),
        patient=connection.patient,
        trigger=trigger,
        created=_now(sync.parts),
        agreed=connection.version,
        place=place,
        full=full,
        types=types or connection.types,
        by=by,
        failures=newest.failures + 1 if newest is not None and newest.state == "FAILED" else 0,
        progress=Progress(marks=newest.progress.marks if newest is not None and same else {}),
    )


def place_of(connection: Connection) -> str:
    """Where the patient is at the provider."""
    return f"{connection.base}/Patient/{connection.remote_patient}"


def _now(parts: Parts) -> datetime:
    now = parts.clock()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


async def latest(sync: Sync, occasion: Occasion, patient: str) -> Shown:
    """The newest run of a patient. Raises `NotFound` when there was none, or for a patient the caller does not see."""
    await require_reader(sync.parts, occasion, patient)
    run = await sync.runs.newest(patient)
    if run is None:
        raise NotFound("Nothing was synchronised yet")
    return await _shown(sync, run)


async def one(sync: Sync, occasion: Occasion, run_id: str) -> Shown:
    """A run. Raises `NotFound` for one of a patient whose documents the caller may not read."""
    return await _shown(sync, await _found(sync, occasion, run_id))


async def _shown(sync: Sync, run: Run) -> Shown:
    documents = await sync.items.of_run(run.id, kind=DOCUMENT, after="", count=MOST_SHOWN)
    return Shown(run, [each for each in documents if each.coming != "CONFLICT"])


async def cancel(sync: Sync, occasion: Occasion, run_id: str) -> Run:
    """Have a run end soon; what it took stays. Raises `Conflict` (`already_over`)."""
    run = await _found(sync, occasion, run_id)
    require_asking(occasion.caller)
    if not run.open:
        raise Conflict("This synchronisation is over", reason="already_over")
    return await sync.runs.cancel(run_id) or run


async def again(sync: Sync, occasion: Occasion, run_id: str) -> tuple[Run, bool]:
    """Ask once more for what a run has not brought. Raises `Conflict` (`nothing_to_retry`), and what `start` raises."""
    run = await _found(sync, occasion, run_id)
    if run.state in ("QUEUED", "RUNNING", "COMPLETED"):
        raise Conflict("This synchronisation has not failed", reason="nothing_to_retry")
    connection = await connected(sync, occasion, run.patient)
    types = tuple(each for each in run.types if each in connection.types)
    return await start(sync, occasion, run.patient, full=run.full, types=types)


async def _found(sync: Sync, occasion: Occasion, run_id: str) -> Run:
    run = await sync.runs.get(run_id)
    if run is None or not await reads_documents(sync.parts, occasion, run.patient):
        raise NotFound("There is no such synchronisation")
    return run


async def connected(sync: Sync, occasion: Occasion, patient: str) -> Connection:
    """The connection that the caller may ask something of. Raises `NotFound`, `Forbidden`, `Conflict` (`not_connected`)."""
    require_asking(occasion.caller)
    await require_reader(sync.parts, occasion, patient)
    connection = await sync.connections.get(patient)
    if connection is None:
        raise Conflict("This patient is not connected with a provider", reason="not_connected")
    return connection


def require_asking(caller: Caller) -> None:
    """Raise `Forbidden` unless this is somebody who asks providers for something: people by role, programs by scope."""
    if caller.account is None:
        access.require(caller, "c", "Task")
    elif ASKING.isdisjoint(caller.roles):
        raise Forbidden("Synchronisation is started by dieticians and doctors", reason="role_required")


async def require_reader(parts: Parts, occasion: Occasion, patient: str) -> None:
    """Raise `NotFound` for a patient the caller does not see, `Forbidden` unless they may read the patient's documents."""
    await read(parts, occasion, ResourceKey("Patient", patient))
    if not await reads_documents(parts, occasion, patient):
        raise Forbidden("The log is for those who may read the patient's documents")


async def reads_documents(parts: Parts, occasion: Occasion, patient: str) -> bool:
    """Whether the caller may search the documents of a patient, as far as who it is about decides."""
    caller = occasion.caller
    if not caller.may("s", DOCUMENT):
        return False
    head = Head(ResourceKey(DOCUMENT, "any"), 1, "POST", parts.clock(), patient, patients=(patient,))
    return await may_see(parts, caller, "s", Stored(head))


def told(caller: Caller) -> tuple[str, ...]:
    """Who asked, as a recipient of notices."""
    account = () if caller.account is None else (f"User/{caller.account}",)
    return caller.profiles[:1] or account
