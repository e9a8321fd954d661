"""Webhooks: where servers of the clinic and of partners are told that something happened. `/api/v1` of PRODUCT 2.11.

A call is a POST of JSON with ids only, signed as `domain/clinic/webhooks.py` says, tried six times in 15 hours. The secret is
shown once, when the webhook is made.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from api.v1.endpoint import NOTHING, Endpoint, Form, Outcome, View, Visit
from api.v1.listing import Listing, Page, narrowed
from api.v1.service import Service
from domain.clinic import webhooks
from domain.clinic.notice_ports import Webhook
from domain.clinic.notice_texts import WORDINGS
from domain.clinic.telling import Event
from domain.errors import Conflict, InvalidFields
from domain.outbox import Undeliverable
from domain.revision import instant

_LIST = "/webhooks"


class NewWebhook(Form, frozen=True, kw_only=True):
    """`events` are kinds of notifications; all of them when none is named."""

    url: Annotated[str, Meta(min_length=8, max_length=2_000)]
    events: Annotated[tuple[Annotated[str, Meta(max_length=60)], ...], Meta(max_length=100)] = ()


class WebhookView(View, frozen=True, kw_only=True):
    """`secret` is shown once."""

    id: str
    version: int
    created_at: datetime
    updated_at: datetime
    url: str
    events: tuple[str, ...]
    secret: str | None = None


class TrialView(View, frozen=True, kw_only=True):
    """`said` is the status the other side answered, or in a word why it did not."""

    delivered: bool
    said: str


class DeliveryView(View, frozen=True, kw_only=True):
    """`said` is the last answer; a delivery that FAILED can be tried again."""

    id: str
    event_id: str
    type: str
    status: Literal["WAITING", "SENT", "FAILED"]
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None
    said: str | None


class Retry(Form, frozen=True, kw_only=True):
    """The delivery to try again."""

    delivery_id: Annotated[str, Meta(min_length=1, max_length=64)]


async def made(service: Service, visit: Visit, body: NewWebhook) -> Outcome:
    """Have a server told of events; for administrators and for programs of partners"""
    webhooks.require_owner(visit.caller)
    objection = service.calls.objection_to(body.url)
    if objection is not None:
        raise InvalidFields(objection, expression="url", reason="url_not_allowed")
    unknown = next((kind for kind in body.events if kind not in WORDINGS), None)
    if unknown is not None:
        raise InvalidFields("There is no such event", expression="events")
    parts = service.parts
    hook = await webhooks.make(service.telling, parts.clock, parts.new_id, visit.caller, body.url, body.events)
    visit.concerns(f"Webhook/{hook.id}")
    return Outcome(_view(hook, secret=hook.secret), 201, {"location": f"/api/v1{_LIST}/{hook.id}"}, version=1)


async def listed(service: Service, visit: Visit, query: Listing) -> Outcome:
    """The caller's webhooks; for administrators everybody's"""
    of, subject = _LIST, visit.caller.subject
    after = service.cursors.read(query.cursor, of=of, subject=subject)
    found = [hook for hook in await webhooks.listed(service.telling, visit.caller) if hook.id > after]
    shown = found[: query.limit]
    following = service.cursors.write(shown[-1].id, of=of, subject=subject) if len(found) > len(shown) else None
    return Outcome(Page(items=narrowed([_view(hook) for hook in shown], query.fields), next=following))


async def shown(service: Service, visit: Visit) -> Outcome:
    """What is known of a webhook, but for its secret"""
    return Outcome(_view(await _mine(service, visit)), version=1)


async def removed(service: Service, visit: Visit) -> Outcome:
    """Call it no more; what is on its way to it is dropped"""
    visit.concerns(f"Webhook/{visit.params['id']}")
    await webhooks.removed(service.telling, visit.caller, visit.params["id"])
    return NOTHING


async def tried(service: Service, visit: Visit) -> Outcome:
    """Call it now, with an event of the type `ping`, and say how that went"""
    hook = await _mine(service, visit)
    event = service.parts.new_id()
    ping = Event(event_id=event, type="ping", created=instant(service.parts.clock()))
    try:
        said = await service.calls.call(hook, event, msgspec.json.encode(ping))
    except Undeliverable as failure:
        return Outcome(TrialView(delivered=False, said=failure.said))
    return Outcome(TrialView(delivered=True, said=said))


async def deliveries(service: Service, visit: Visit, query: Listing) -> Outcome:
    """What was sent to it in the last 30 days, and what became of that, newest first"""
    hook = await _mine(service, visit)
    of, subject = f"{_LIST}/{hook.id}/deliveries", visit.caller.subject
    after = service.cursors.read(query.cursor, of=of, subject=subject) or None
    found = await service.telling.outbox.deliveries(hook.id, after=after, count=query.limit + 1)
    part = found[: query.limit]
    following = service.cursors.write(part[-1].id, of=of, subject=subject) if len(found) > len(part) else None
    views = [
        DeliveryView(
            id=each.id,
            event_id=each.id,
            type=each.kind,
            status=each.state,
            attempts=each.tries,
            created_at=each.created,
            next_attempt_at=each.next,
            said=each.said,
        )
        for each in part
    ]
    return Outcome(Page(items=narrowed(views, query.fields), next=following))


async def retried(service: Service, visit: Visit, body: Retry) -> Outcome:
    """Try a delivery that failed once more, now and with all its pauses"""
    hook = await _mine(service, visit)
    if not await service.telling.outbox.retry(hook.id, body.delivery_id):
        raise Conflict("There is no such delivery that failed", reason="not_failed")
    return Outcome(status=202)


async def _mine(service: Service, visit: Visit) -> Webhook:
    visit.concerns(f"Webhook/{visit.params['id']}")
    return await webhooks.mine(service.telling, visit.caller, visit.params["id"])


def _view(hook: Webhook, *, secret: str | None = None) -> WebhookView:
    return WebhookView(
        id=hook.id,
        version=1,
        created_at=hook.created,
        updated_at=hook.created,
        url=hook.url,
        events=hook.events,
        secret=secret,
    )


_ONE = _LIST + "/{id}"
ENDPOINTS = (
    Endpoint("POST", _LIST, "webhook-create", made, answers=WebhookView, status=201, replays=True),
    Endpoint("GET", _LIST, "webhook-list", listed, answers=Page),
    Endpoint("GET", _ONE, "webhook-read", shown, answers=WebhookView),
    Endpoint("DELETE", _ONE, "webhook-delete", removed, status=204),
    Endpoint("POST", _ONE + "/test", "webhook-test", tried, answers=TrialView),
    Endpoint("GET", _ONE + "/deliveries", "webhook-deliveries", deliveries, answers=Page),
    Endpoint("POST", _ONE + "/retry", "webhook-retry", retried, status=202, refuses=(409,)),
)
