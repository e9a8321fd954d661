"""One's own logins: listed, and ended one by one. Somebody else's is an unknown one."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from api.v1.endpoint import NOTHING, Endpoint, Form, Outcome, View, Visit
from api.v1.forms import seconds_of
from api.v1.service import Service
from domain.accounts.managing import own
from domain.errors import NotFound

_LIST = "/auth/sessions"


class Wanted(Form, frozen=True, kw_only=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: str | None = None


class SessionView(View, frozen=True, kw_only=True):
    id: str
    label: str
    client: str
    created_at: str
    last_used_at: str
    expires_at: str
    current: bool


class SessionsView(View, frozen=True, kw_only=True):
    items: tuple[SessionView, ...]
    next: str | None


async def listed(service: Service, visit: Visit, query: Wanted) -> Outcome:
    """One's own logins"""
    account = await own(service.people, visit.caller)
    visit.concerns(f"User/{account.id}")
    after = service.cursors.read(query.cursor, of=_LIST, subject=account.id)
    found = await service.people.sessions.of(account.id, after=after, count=query.limit + 1)
    items = tuple(
        SessionView(
            id=each.id,
            label=each.login.label,
            client=each.login.client,
            created_at=seconds_of(each.created),
            last_used_at=seconds_of(each.last_used),
            expires_at=seconds_of(each.expires),
            current=each.id == visit.caller.session,
        )
        for each in found[: query.limit]
    )
    more = len(found) > query.limit
    following = service.cursors.write(items[-1].id, of=_LIST, subject=account.id) if more else None
    return Outcome(SessionsView(items=items, next=following))


async def ended(service: Service, visit: Visit) -> Outcome:
    """End one of one's own logins"""
    account = await own(service.people, visit.caller)
    visit.concerns(f"Session/{visit.params['id']}")
    if not await service.logins.end(visit.params["id"], account=account.id):
        raise NotFound("There is no such login")
    return NOTHING


ENDPOINTS = (
    Endpoint("GET", "/auth/sessions", "session-list", listed, SessionsView),
    Endpoint("DELETE", "/auth/sessions/{id}", "session-end", ended, status=204),
)
