"""Webhooks: who may have one, and how a call proves where it comes from.

A call carries ids and the kind of an event, never what happened to whom: who wants to know asks the API, with their own
rights. Its signature covers time and body, so that neither can be changed and an old call not be played again:

    Chartvault-Signature: t=1790000000,v1=<hex of HMAC-SHA256(secret, "<t>." + body)>
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Protocol

from domain.access import Caller
from domain.clinic.notice_ports import Webhook
from domain.clinic.telling import Telling
from domain.errors import Forbidden, NotFound
from domain.ports import Clock, NewId


class Calls(Protocol):
    """Calls webhooks. Implemented by `api.webhook_sending`."""

    def objection_to(self, url: str) -> str | None:
        """Why this address may not be called whatever it resolves to; `None` when it may."""
        ...

    async def call(self, hook: Webhook, event_id: str, body: bytes) -> str:
        """One signed call; the status of success. Raises `Undeliverable`."""
        ...


MOST = 20
"""Webhooks of one owner."""
TYPES = (
    "Appointment",
    "Communication",
    "DiagnosticReport",
    "DocumentReference",
    "Invoice",
    "MedicationRequest",
    "Task",
)
"""What notices are about, as far as a program's scopes decide whether it is told."""
REPLAY_SECONDS = 300
"""How old a call may be when it is checked."""


def require_owner(caller: Caller) -> None:
    """Raise `Forbidden` unless this is an administrator, or the program of a partner."""
    if caller.account is not None and "ADMIN" not in caller.roles:
        raise Forbidden("Webhooks are for administrators and for partners' programs", reason="role_required")
    if not any(caller.scoped("r", each) for each in TYPES):
        raise Forbidden("This token may read nothing that webhooks tell of", reason="scope_required")


def types_of(caller: Caller) -> tuple[str, ...]:
    """What events may be about for this owner: an administrator is told that something happened, whatever it is about."""
    if caller.account is not None:
        return ("*",)
    return tuple(each for each in TYPES if caller.scoped("r", each))


async def make(
    telling: Telling, clock: Clock, new_id: NewId, caller: Caller, url: str, events: Sequence[str]
) -> Webhook:
    """A new webhook with a secret of its own. Raises `Forbidden`, `Conflict` (`too_many_webhooks`)."""
    require_owner(caller)
    hook = Webhook(
        id=new_id(),
        url=url,
        secret=f"whsec_{secrets.token_urlsafe(32)}",
        owner=owner_of(caller),
        person=caller.account is not None,
        created=clock(),
        types=types_of(caller),
        events=tuple(dict.fromkeys(events)),
    )
    await telling.webhooks.add(hook, most=MOST)
    return hook


async def mine(telling: Telling, caller: Caller, webhook_id: str) -> Webhook:
    """A webhook the caller may look after: their own, and for administrators all. Raises `NotFound` for any other."""
    require_owner(caller)
    found = await telling.webhooks.find(webhook_id)
    if found is None or (caller.account is None and found.owner != owner_of(caller)):
        raise NotFound("There is no such webhook")
    return found


async def listed(telling: Telling, caller: Caller) -> Sequence[Webhook]:
    """The webhooks the caller may look after."""
    require_owner(caller)
    return await telling.webhooks.all(None if caller.account is not None else owner_of(caller))


async def removed(telling: Telling, caller: Caller, webhook_id: str) -> None:
    """Call it no more."""
    found = await mine(telling, caller, webhook_id)
    await telling.webhooks.remove(found.id)
    await telling.outbox.withdraw(found.id)


def owner_of(caller: Caller) -> str:
    return caller.account or caller.client


def signature(secret: str, seconds: int, body: bytes) -> str:
    """The value of `Chartvault-Signature` for a call made at this time (seconds since 1970)."""
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"
