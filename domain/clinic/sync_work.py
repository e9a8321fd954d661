"""Carrying out runs, in the background of every process: taken, kept by a heartbeat, ended whatever happens.

A process that dies leaves its run to the next, which goes on where it was. What fails in our own database leaves the run as it
is, for another try; what fails at the provider ends it with words that people can use.
"""

from __future__ import annotations

import asyncio
import random

import msgspec

from domain.clinic.document_requests import send_waiting
from domain.clinic.provider_ports import Connection, ProviderTrouble
from domain.clinic.sync_counting import begun_again, failed_with
from domain.clinic.sync_ending import finish, stored
from domain.clinic.sync_parts import Sync
from domain.clinic.sync_pulling import Stopped, pull
from domain.clinic.sync_runs import LEASE, MOST_TAKINGS, Run, State
from domain.clinic.syncing import new_run, place_of
from domain.errors import Contention, DomainError, Gone, Unavailable
from domain.identity import ResourceKey

MOST_DUE = 20


async def work(sync: Sync) -> bool:
    """Carry out one run, if any waits. False when there was nothing to do."""
    now = sync.parts.clock()
    run = await sync.runs.claim(now=now, until=now + LEASE)
    if run is None:
        return False
    try:
        await _Held(sync, run).carry_out()
    except Contention:  # another process has it now
        return True
    except Gone:  # the patient was erased, and with them what was to be written
        return True
    return True


async def queue_due(sync: Sync) -> None:
    """Queue the automatic runs that are due, and plan the next ones."""
    now = sync.parts.clock()
    for patient in await sync.connections.due(now, MOST_DUE):
        connection = await sync.connections.get(patient)
        if connection is None:
            continue
        newest = await sync.runs.newest(patient)
        run = await sync.runs.enqueue(new_run(sync, connection, newest, trigger="AUTOMATIC"))
        if run.agreed != connection.version:
            continue  # one under way by what was agreed before ends soon, and makes room
        every = connection.every
        later = None if every is None else now + every * random.uniform(1.0, 1.05)  # noqa: S311
        await sync.connections.plan(connection, later)


class _Held:
    """A run in our hands; `run` is as it was stored last."""

    def __init__(self, sync: Sync, run: Run) -> None:
        self._sync = sync
        self.run = run
        self._ended: Contention | Stopped | None = None
        self._pulling: asyncio.Task[None] | None = None

    async def carry_out(self) -> None:
        beating = asyncio.create_task(self._beat())
        try:
            await self._carried_out()
        finally:
            beating.cancel()
            await asyncio.wait([beating])

    async def _carried_out(self) -> None:
        sync, now = self._sync, self._sync.parts.clock()
        connection = await sync.connections.get(self.run.patient)
        patient = await sync.parts.store.newest(ResourceKey("Patient", self.run.patient))
        there = patient is not None and not patient.head.deleted
        if connection is None or self.run.cancel or not there:  # there is nobody to ask any more, or no wish to
            await self._end("CANCELLED", connection)
            return
        self.run = begun_again(self.run, now, connection.version, place_of(connection))
        try:
            if self.run.fence > MOST_TAKINGS:
                raise ProviderTrouble("timeout")
            await stored(sync.parts, sync.occasion(), sync.records.task(self.run, ()))
            await self._pull(connection)
        except ProviderTrouble as trouble:
            self.run = failed_with(self.run, trouble.cause)
            await self._end("FAILED", connection, trouble.retry_after)
        except Stopped:
            await self._end("CANCELLED", connection)
        except (Contention, Unavailable, Gone):  # it goes on elsewhere, or later, or never
            raise
        except Exception:  # a fault of ours ends the run, instead of coming back with every taking
            self.run = failed_with(self.run, "bad_content")
            await self._end("FAILED", connection)
            raise
        else:
            await self._end(outcome_of(self.run), connection)

    async def _pull(self, connection: Connection) -> None:
        """Everything that waits for the provider, until the heartbeat hears that it is to end."""
        self._pulling = asyncio.create_task(self._pulled(connection))
        try:
            await self._pulling
        except asyncio.CancelledError:
            if self._ended is None:
                raise
            raise self._ended from None
        finally:
            self._pulling = None

    async def _pulled(self, connection: Connection) -> None:
        async with self._sync.remotes.open(connection) as remote:
            await send_waiting(self._sync, remote, connection)
            self.run = await pull(self._sync, remote, connection, self.run, self._step)

    async def _step(self, run: Run) -> None:
        self.run = run
        if await self._sync.runs.step(run, until=self._sync.parts.clock() + LEASE):
            raise Stopped

    async def _end(self, state: State, connection: Connection | None, wait: float | None = None) -> None:
        self.run = msgspec.structs.replace(self.run, state=state, ended=self._sync.parts.clock())
        await finish(self._sync, self.run, connection, wait)

    async def _beat(self) -> None:
        """Say that we are alive, and hear whether anybody wants the run to end, or has agreed on something else."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 4)
            try:
                cancelled = await self._sync.runs.beat(self.run, until=self._sync.parts.clock() + LEASE)
                connection = await self._sync.connections.get(self.run.patient)
                if cancelled or connection is None or connection.version != self.run.agreed:
                    self._ended = Stopped()
            except Contention as lost:
                self._ended = lost
            except DomainError:
                continue
            if self._ended is not None and self._pulling is not None:
                self._pulling.cancel()


def outcome_of(run: Run) -> State:
    """How a run came out that was not stopped: everything, some of it, or nothing."""
    troubles, tallies = run.progress.troubles, run.progress.tallies
    if not troubles:
        return "COMPLETED"
    return "PARTIAL" if any(each.total > each.errors or not each.errors for each in tallies) else "FAILED"
