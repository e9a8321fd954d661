"""Asking a patient's provider for documents: a Task, sent to the provider when it takes such Tasks. PRODUCT F127.

A request is kept first and sent then; what could not be sent is tried again with every run. A provider that takes no requests
electronically has to be asked in another way: the request says so and stays open.
"""

from __future__ import annotations

import asyncio

import msgspec

from domain.clinic.acting import acting
from domain.clinic.provider_ports import Connection, ProviderTrouble, Remote
from domain.clinic.sync_ending import stored
from domain.clinic.sync_log import Line, Status
from domain.clinic.sync_parts import Sync
from domain.clinic.sync_records import RequestCard, RequestForm, Sent
from domain.clinic.sync_troubles import ADVICE
from domain.clinic.syncing import connected, reads_documents
from domain.errors import NotFound
from domain.identity import FhirJson, ResourceKey
from domain.interactions.parts import Answer, Occasion, opened, present

SEND_SECONDS = 10.0
"""How long somebody who asks waits for the provider; the next run sends what was not sent then."""
MOST_WAITING = 20
NOT_TAKEN = "The provider takes no requests electronically: ask them by telephone or letter."


async def ask(sync: Sync, occasion: Occasion, patient: str, form: RequestForm) -> tuple[RequestCard, Answer]:
    """Keep a request, and try to send it. Raises `NotFound`, `Forbidden`, `Conflict` (`not_connected`)."""
    connection = await connected(sync, occasion, patient)
    parts = sync.parts
    by = next((each for each in occasion.caller.profiles if each.startswith("Practitioner")), None)
    content = {**sync.records.request(form, patient, by=by, now=parts.clock()), "id": parts.new_id()}
    answer = await stored(parts, acting(occasion, "c", "Task"), content)
    await _log(sync, patient, content["id"], f"Asked for {', '.join(form.types)}.")
    try:
        async with asyncio.timeout(SEND_SECONDS), sync.remotes.open(connection) as remote:
            await _send(sync, remote, connection, content["id"])
    except ProviderTrouble as trouble:
        await _tried(sync, content["id"], Sent(None, ADVICE[trouble.cause].detail))
    except TimeoutError:
        await _tried(sync, content["id"], Sent(None, ADVICE["timeout"].detail))
    return (await _found(sync, content["id"]))[1], answer


async def one(sync: Sync, occasion: Occasion, request_id: str) -> RequestCard:
    """A request. Raises `NotFound` for one about a patient whose documents the caller may not read."""
    _, card = await _found(sync, request_id)
    if card.patient_id is None or not await reads_documents(sync.parts, occasion, card.patient_id):
        raise NotFound("There is no such request")
    return card


async def send_waiting(sync: Sync, remote: Remote, connection: Connection) -> None:
    """Send what was asked for and not sent. What fails now is left for the next run."""
    parts = sync.parts
    query = parts.search.parse("Task", sync.records.waiting(connection.patient), strict=True).query
    page = await parts.store.find(msgspec.structs.replace(query, count=MOST_WAITING))
    for each in page.matches:
        try:
            await _send(sync, remote, connection, each.head.key.id)
        except ProviderTrouble:
            return


async def _send(sync: Sync, remote: Remote, connection: Connection, request_id: str) -> None:
    content, card = await _found(sync, request_id)
    if card.status != "REQUESTED":
        return
    if not (await remote.able()).takes_tasks:
        await _tried(sync, request_id, Sent(None, NOT_TAKEN))
        return
    name = await remote.create(sync.records.for_provider(content, connection))
    await _tried(sync, request_id, Sent(name or "Task", None))


async def _tried(sync: Sync, request_id: str, sent: Sent) -> None:
    """Note what became of sending it, once."""
    content, card = await _found(sync, request_id)
    if card.patient_id is None or (sent.remote is None and sent.note == card.note):
        return
    await stored(sync.parts, sync.occasion(), sync.records.sent(content, sent, sync.parts.clock()))
    said = "The provider has taken the request." if sent.note is None else f"Not sent. {sent.note}"
    await _log(sync, card.patient_id, request_id, said, "SUCCESS" if sent.note is None else "FAILED")


async def _found(sync: Sync, request_id: str) -> tuple[FhirJson, RequestCard]:
    """The Task of a request. Raises `NotFound` for any other."""
    key = ResourceKey("Task", request_id)
    kept = present(await sync.parts.store.newest(key), key)
    content = sync.parts.reading.decoded(await opened(sync.parts, kept))
    card = sync.records.request_card(content, version=kept.head.version, updated=kept.head.recorded)
    if card is None:
        raise NotFound("There is no such request")
    return content, card


async def _log(sync: Sync, patient: str, request_id: str, details: str, status: Status = "SUCCESS") -> None:
    line = Line(
        cause=f"request/{request_id}/{details}",
        patient=patient,
        action="REQUEST",
        status=status,
        at=sync.parts.clock(),
        details=details,
        about=f"Task/{request_id}",
        run=request_id,
    )
    await sync.log.write([line])
