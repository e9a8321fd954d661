"""A synchronisation as it goes on: server-sent events, https://html.spec.whatwg.org/multipage/server-sent-events.html

Each event is the whole run as `GET /sync/{id}` shows it; the last one is that of its end. Who listens is asked again every few
seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec

from api.v1.endpoint import Endpoint, Outcome, Visit
from api.v1.notification_events import AGAIN_SECONDS, BEAT_SECONDS, LOOK_SECONDS, RETRY_MILLISECONDS
from api.v1.occasions import asked
from api.v1.service import Service
from api.v1.syncs import view
from domain.clinic import syncing
from domain.clinic.syncing import Shown
from domain.errors import DomainError


async def listen(service: Service, visit: Visit) -> Outcome:
    """A synchronisation as it goes on, as server-sent events, to its end"""
    name = visit.params["id"]
    visit.concerns(f"Task/{name}")
    found = await syncing.one(service.sync, await asked(service, visit, "sync-events"), name)
    visit.concerns(patients=(found.run.patient,))
    account = visit.caller.account or visit.caller.subject
    service.listeners.require_room(account)
    headers = {"content-type": "text/event-stream", "x-accel-buffering": "no"}
    return Outcome(_events(service, visit, account, found), headers=headers)


async def _events(service: Service, visit: Visit, account: str, found: Shown) -> AsyncIterator[bytes]:
    service.listeners.join(account)
    try:
        yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
        clock = asyncio.get_running_loop().time
        looked = said = clock()
        last = b""
        while True:
            event = msgspec.json.encode(view(found))
            if event != last:
                yield b"event: sync\ndata: %s\n\n" % event
                last, said = event, clock()
            elif clock() - said >= BEAT_SECONDS:
                yield b": \n\n"
                said = clock()
            if not found.run.open:
                return
            await asyncio.sleep(LOOK_SECONDS)
            if clock() - looked >= AGAIN_SECONDS:
                visit.caller, looked = await visit.again(), clock()
            found = await syncing.one(service.sync, await asked(service, visit, "sync-events"), found.run.id)
    except DomainError:
        return  # the login is over, or the database is away: the client comes back
    finally:
        service.listeners.leave(account)


ENDPOINTS = (Endpoint("GET", "/sync/{id}/events", "sync-events", listen),)
