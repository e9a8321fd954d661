"""Notifications as they come: server-sent events, https://html.spec.whatwg.org/multipage/server-sent-events.html

An event's id is the notification's; a client that comes back with `Last-Event-ID` is sent everything after it, in the order
of telling. Who may listen is asked again every few seconds, so a stream ends soon after its login, its token or its proxy has.
A process holds a bounded number of streams, and one of its streams asks the database for all whether anything is new.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import msgspec

from api.v1.endpoint import Endpoint, Outcome, Visit
from api.v1.notifications import patients_in, view, whose
from api.v1.service import Service
from domain.audit import entry
from domain.clinic.notice_ports import Notices, Told
from domain.clinic.notifications import recipients_of
from domain.errors import DomainError, Throttled

MOST, MOST_EACH = 500, 5
"""Streams of one process, and of one account in it."""
LOOK_SECONDS = 0.5
AGAIN_SECONDS = 5.0
"""How often it is asked again who listens."""
BEAT_SECONDS = 15.0
RETRY_MILLISECONDS = 3_000
_PAGE = 100


class Listeners:
    """The streams of this process: who they are of, and the number that was told last, looked up once for all of them."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._of: Counter[str] = Counter()
        self._newest = 0
        self._looked = float("-inf")
        self._lock = asyncio.Lock()

    def require_room(self, account: str) -> None:
        """Raise `Throttled` when there are as many streams as there may be."""
        if self._of.total() >= MOST or self._of[account] >= MOST_EACH:
            raise Throttled("There are as many streams of notifications as there may be", retry_after=30)

    def join(self, account: str) -> None:
        self._of[account] += 1

    def leave(self, account: str) -> None:
        self._of[account] -= 1
        if not self._of[account]:
            del self._of[account]

    async def newest(self) -> int:
        """The number told last, as of half a second ago at most."""
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if now - self._looked >= LOOK_SECONDS:
                self._newest, self._looked = await self._notices.newest(), now
            return self._newest


async def listen(service: Service, visit: Visit) -> Outcome:
    """Notifications as they come, as server-sent events; `Last-Event-ID` goes on after the last one seen"""
    recipients, account = await whose(service, visit)
    last = visit.header(b"last-event-id")
    after = await service.telling.notices.newest()
    if last:
        seen = await service.telling.notices.find(recipients, account, last)
        after = after if seen is None or seen.number is None else seen.number
    service.listeners.require_room(account)
    headers = {"content-type": "text/event-stream", "x-accel-buffering": "no"}
    return Outcome(_events(service, visit, account, after), headers=headers)


async def _events(service: Service, visit: Visit, account: str, after: int) -> AsyncIterator[bytes]:
    service.listeners.join(account)
    try:
        yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
        clock = asyncio.get_running_loop().time
        asked = beat = clock()
        recipients = recipients_of(visit.caller)
        while True:
            now = clock()
            if now - asked >= AGAIN_SECONDS:
                visit.caller = await service.resolve(await visit.again())
                recipients, asked = recipients_of(visit.caller), now
            newest = await service.listeners.newest()
            if newest > after:
                found = await service.telling.notices.since(recipients, account, number=after, count=_PAGE)
                after = newest if len(found) < _PAGE else 0
                if found:
                    await _recorded(service, visit, found)
                    yield b"".join(map(_event, found))
                    after, beat = max(after, found[-1].number or 0), now
            elif now - beat >= BEAT_SECONDS:
                yield b": \n\n"
                beat = now
            await asyncio.sleep(LOOK_SECONDS)
    except DomainError:
        # The login is over, or the database is away: the client comes back, and goes on where it was.
        return
    finally:
        service.listeners.leave(account)


async def _recorded(service: Service, visit: Visit, found: Sequence[Told]) -> None:
    """Nothing of a patient is sent before it is in the audit: each piece of a stream is an access of its own."""
    patients = patients_in(found)
    if not patients:
        return
    request_id = f"{visit.request_id}.{found[0].number}"
    record = entry(
        visit.caller,
        "notification-events",
        recorded=service.parts.clock(),
        request_id=request_id,
        status=200,
        patients=patients,
    )
    await service.parts.trail.record(record)


def _event(told: Told) -> bytes:
    return b"id: %s\nevent: notification\ndata: %s\n\n" % (told.id.encode(), msgspec.json.encode(view(told)))


ENDPOINTS = (Endpoint("GET", "/notifications/events", "notification-events", listen),)
