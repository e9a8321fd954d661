"""Telling a provider of what was changed here: the other direction of synchronisation. PRODUCT F119-F121, 3.2 items 5 and 6.

A request that was stored with the change (`domain/pushing.py`) becomes a parcel, which the outbox tries after 1 and 5 and 30
minutes, 2 and 12 hours, and then gives up. What is sent is what differs from the version both sides knew, put into the
provider's own version as it is at that moment, and only if it is the one we know: else it is a conflict that people decide,
never a silent merge. Sent, given up or in conflict: whoever made the change is told, and a line is in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from domain.cells import Cell
from domain.clinic.care_team import team_of
from domain.clinic.provider_parcels import Push, parcel, person_cell, push_of
from domain.clinic.provider_ports import Connection, Connections, ProviderTrouble, Remote
from domain.clinic.sync_items import Item, Source
from domain.clinic.sync_log import Line, Status
from domain.clinic.sync_parts import WORKER, Sync
from domain.clinic.sync_taking import FOREVER, last_written
from domain.clinic.sync_troubles import ADVICE
from domain.errors import Conflict, Contention, Forbidden, Gone, NotFound, VersionConflict
from domain.identity import FhirJson, ResourceKey
from domain.interactions.guarding import may_see
from domain.interactions.parts import Answer, Occasion, Parts, opened
from domain.interactions.read import read
from domain.notices import Notice
from domain.outbox import Outbox, Parcel, Undeliverable
from domain.pushing import PUSH
from domain.revision import Stored, Write

KIND = "Patient"
SECONDS = 20.0
"""A try takes no longer than a parcel may be in one's hands (`domain.outbox.HELD`)."""
LOOKS, LOOK_SECONDS = 10, 0.4
"""How often one looks whether a conflict was with ourselves."""
MOST_MENTIONS, MOST_VERSIONS = 50, 100
NOTHING = "nothing to tell"
FILES = "files are not sent"


class Edits(Protocol):
    """Changes made here, seen by a provider. Implemented by `fhir_mapping.provider_edits`."""

    def mentions(self, content: FhirJson) -> Sequence[str]:
        """The resources of ours that it refers to, by name."""
        ...

    def merged(self, theirs: FhirJson, before: FhirJson, after: FhirJson, names: Mapping[str, str]) -> FhirJson:
        """`theirs` with what differs between our two versions. `names` are the provider's for resources of ours."""
        ...

    def clashes(self, theirs: FhirJson, before: FhirJson, after: FhirJson) -> bool:
        """Whether something that was changed here is different there from what it was here before, and from what it is."""
        ...

    def differs(self, before: FhirJson, after: FhirJson) -> bool:
        """Whether anything is different that is the provider's too."""
        ...

    def brings_files(self, before: FhirJson, after: FhirJson) -> bool:
        """Whether a document has got another file."""
        ...


class Agreed(NamedTuple):
    """The version that both sides knew, and the cell that says so as it was read."""

    version: int
    cell: str
    seen: int


class Outcome(NamedTuple):
    """What came of it: a kind of notice with its values, and for the log a status and words."""

    kind: str
    values: dict[str, str]
    status: Status
    details: str


async def again(
    parts: Parts, connections: Connections, outbox: Outbox, occasion: Occasion, patient: ResourceKey, key: ResourceKey
) -> Answer:
    """Tell the provider once more of a change that did not reach it; for who may make the change.

    Raises `NotFound`, `Forbidden`, `Conflict` (`not_connected`). What the provider has changed too stays a conflict."""
    answer = await read(parts, occasion, key)
    stored = await parts.store.newest(key)
    if stored is None or not await may_see(parts, occasion.caller, "u", stored):
        raise Forbidden(f"You may not update this {key.type}")
    if stored.head.patient != patient.id:
        raise NotFound(f"There is no {key} of this patient")
    if await connections.get(patient.id) is None:
        raise Conflict("This patient is not connected with a provider", reason="not_connected")
    by = occasion.caller.subject if occasion.caller.account is not None else ""
    await outbox.put([parcel(parts.new_id(), Push(str(key), stored.head.version, by), patient.id)])
    return answer


class ProviderPost:
    """Carries parcels to providers: `domain.outbox.Carry`, and `domain.outbox.GivesUp`."""

    def __init__(self, sync: Sync, edits: Edits) -> None:
        self._sync, self._edits = sync, edits

    async def __call__(self, parcel: Parcel) -> str:
        """Tell the provider. Raises `Undeliverable`, which says the cause."""
        push = push_of(parcel)
        try:
            async with asyncio.timeout(SECONDS):
                return await self._told(parcel, push)
        except ProviderTrouble as trouble:
            again = ADVICE[trouble.cause].retryable or trouble.cause == "unauthorized"
            raise Undeliverable(trouble.cause, final=not again) from None
        except TimeoutError:
            raise Undeliverable("timeout") from None
        except Gone:
            return NOTHING

    async def given_up(self, parcel: Parcel, said: str) -> None:
        """It will not be tried again by itself: say so, with what to do."""
        if not parcel.content:
            return
        push, patient = push_of(parcel), parcel.patient or ""
        connection = await self._sync.connections.get(patient)
        if connection is None:
            return
        advice = next((each for cause, each in ADVICE.items() if cause == said), None)
        detail = advice.detail if advice else "The change could not be sent: " + said + "."
        steps = " ".join(advice.steps) if advice else "Tell the provider by telephone or letter."
        values = {"provider": connection.name, "detail": detail, "steps": steps}
        kind = "push-conflict" if said == "conflict" else "push-failed"
        await self._finish(parcel, push, Outcome(kind, values, "FAILED", detail))

    async def _told(self, parcel: Parcel, push: Push) -> str:
        sync, patient, key = self._sync, parcel.patient or "", push.key
        connection, stored = await sync.connections.get(patient), await sync.parts.store.newest(key)
        if connection is None or stored is None or stored.head.deleted or stored.head.patient != patient:
            return NOTHING
        item = await sync.items.of_local(patient, str(key)) if key.type != KIND else None
        agreed = await self._agreed(key, connection)
        if (item is None and key.type != KIND) or agreed is None or stored.head.version > push.version:
            return NOTHING  # a newer change has a parcel of its own, which tells of everything
        before, after = await self._version(key, agreed.version), await self._content(stored)
        if item is not None and before.get("meta", {}).get("source") != f"{connection.base}/{item.name}":
            return NOTHING  # it came from somebody else
        if agreed.version >= push.version or not self._edits.differs(before, after):
            return NOTHING
        try:
            async with sync.remotes.open(connection) as remote:
                if item is None:
                    await self._person(remote, connection, before, after)
                else:
                    await self._entry(remote, connection, item, before, after)
        except ProviderTrouble as trouble:
            if trouble.cause == "conflict" and await self._was_us(key, connection, agreed):
                return await self._told(parcel, push)
            raise
        cells = (Cell(agreed.cell, agreed.seen, key.at(stored.head.version), FOREVER),)
        outcome = Outcome("push-done", {"provider": connection.name}, "SUCCESS", "The provider took over a change.")
        try:
            await self._finish(parcel, push, outcome, cells, key.at(stored.head.version))
        except (VersionConflict, Contention):  # another parcel has said so meanwhile, of a later version perhaps
            return await self._told(parcel, push)
        return "sent"

    async def _was_us(self, key: ResourceKey, connection: Connection, agreed: Agreed) -> bool:
        """Whether it was another parcel of the same resource that has just changed it there, and says so here now."""
        for _ in range(LOOKS):
            await asyncio.sleep(LOOK_SECONDS)
            if await self._agreed(key, connection) != agreed:
                return True
        return False

    async def _agreed(self, key: ResourceKey, connection: Connection) -> Agreed | None:
        """The version the provider's was the same as last. Of a Patient, who is never taken from there, the one that was
        the newest when they were connected, until a change was sent."""
        store = self._sync.parts.store
        name = last_written(key) if key.type != KIND else person_cell(connection)
        (held,) = await store.cells([name])
        if held.holder is not None:
            return Agreed(int(held.holder.rpartition("/")[2]), name, held.seen)
        newest = await store.newest(key) if key.type == KIND else None
        since = connection.updated
        version = newest.head.version if newest is not None else 0
        for number in range(version, max(version - MOST_VERSIONS, 0), -1):
            found = await store.version(key, number)
            if found is not None and since is not None and found.head.recorded <= since:
                return Agreed(number, name, held.seen)
        return None

    async def _person(self, remote: Remote, connection: Connection, before: FhirJson, after: FhirJson) -> None:
        """Tell who the patient is."""
        theirs = await remote.read(KIND, connection.remote_patient)
        wanted = self._edits.merged(theirs, before, after, {})
        if wanted == theirs:
            return
        if self._edits.clashes(theirs, before, after):
            raise ProviderTrouble("conflict")
        await remote.update(wanted, if_match=self._sync.entries.version(theirs))

    async def _entry(
        self, remote: Remote, connection: Connection, item: Item, before: FhirJson, after: FhirJson
    ) -> None:
        """Tell of an entry that came from there."""
        sync, source = self._sync, Source(connection.patient, connection.base)
        if self._edits.brings_files(before, after):
            raise Undeliverable(FILES, final=True)
        kind, _, logical_id = item.name.partition("/")
        theirs = await remote.read(kind, logical_id)
        wanted = self._edits.merged(theirs, before, after, await self._names(connection, after))
        if wanted == theirs:
            return
        digest = sync.entries.digest(theirs)
        known = (await sync.items.known(source, [(item.name, digest)])).get(item.name)
        if known is None or not known.same or known.coming == "CONFLICT":
            raise ProviderTrouble("conflict")
        version = await remote.update(wanted, if_match=sync.entries.version(theirs))
        kept = msgspec.structs.replace(item, digest=sync.entries.digest(wanted), version=version, coming="CHANGED")
        await sync.items.keep(source, [kept])

    async def _names(self, connection: Connection, content: FhirJson) -> dict[str, str]:
        """What the provider calls the resources that this one refers to, as far as they came from there."""
        names = {f"Patient/{connection.patient}": f"Patient/{connection.remote_patient}"}
        for local in self._edits.mentions(content)[:MOST_MENTIONS]:
            item = None if local in names else await self._sync.items.of_local(connection.patient, local)
            if item is not None:
                names[local] = item.name
        return names

    async def _version(self, key: ResourceKey, version: int) -> FhirJson:
        stored = await self._sync.parts.store.version(key, version)
        if stored is None:
            raise Gone(f"There is no {key}")
        return await self._content(stored)

    async def _content(self, stored: Stored) -> FhirJson:
        return self._sync.parts.reading.decoded(await opened(self._sync.parts, stored))

    async def _finish(
        self, parcel: Parcel, push: Push, outcome: Outcome, cells: tuple[Cell, ...] = (), target: str | None = None
    ) -> None:
        """Store what came of it: who is told, in the audit, what is agreed now, and a line of the log. May be repeated."""
        parts, patient, now = self._sync.parts, parcel.patient or "", self._sync.parts.clock()
        recipients = (f"User/{push.by}",) if push.by else await team_of(parts, patient)
        notice = Notice(
            id=f"{outcome.kind}/{parcel.id}",
            kind=outcome.kind,
            recipients=recipients,
            due=now,
            patient=patient,
            about=(push.resource, f"{KIND}/{patient}"),
            values=outcome.values,
        )
        line = Line(
            cause=f"push/{parcel.id}/{outcome.status}",
            patient=patient,
            action="PUSH",
            status=outcome.status,
            at=now,
            details=outcome.details,
            about=push.resource,
        )
        await self._sync.log.write([line])
        status = 200 if outcome.status == "SUCCESS" else 502
        audit = Occasion(WORKER, parts.new_id(), PUSH).entry(parts, status, (target or push.resource,), (patient,))
        await parts.store.commit(Write((), audit, cells=cells, notices=(notice,) if recipients else ()))
