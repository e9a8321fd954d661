"""Passwords forgotten, reset and changed: `/api/v1/auth/password/*`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

from api.v1.endpoint import NOTHING, Endpoint, Outcome, Visit
from api.v1.login_forms import ChangeForm, EmailForm, ResetForm
from api.v1.service import Service
from domain.accounts import resetting
from domain.accounts.managing import own

EVEN_SECONDS = 0.3
"""Registering and asking for a reset take at least this long, so that small differences drown."""


async def forgot(service: Service, visit: Visit, body: EmailForm) -> Outcome:
    """Ask for a letter to reset the password; the answer is the same for every address"""
    account = await evenly(resetting.forgot(service.people, body.email))
    if account is not None:
        visit.concerns(f"User/{account}")
    return Outcome(status=202)


async def reset(service: Service, visit: Visit, body: ResetForm) -> Outcome:
    """Set a password with the token of a letter; every session ends"""
    account = await resetting.reset(service.people, body.token, body.password)
    visit.concerns(f"User/{account.id}")
    return NOTHING


async def changed(service: Service, visit: Visit, body: ChangeForm) -> Outcome:
    """Change the password; every other session ends"""
    account = await own(service.people, visit.caller)
    visit.concerns(f"User/{account.id}")
    await resetting.change(service.people, account, body.old_password, body.new_password, session=visit.caller.session)
    return NOTHING


async def evenly(work: Awaitable[str | None]) -> str | None:
    """The result, not before `EVEN_SECONDS` have passed, whatever it is."""
    until = time.monotonic() + EVEN_SECONDS
    try:
        return await work
    finally:
        await asyncio.sleep(max(0.0, until - time.monotonic()))


ENDPOINTS = (
    Endpoint("POST", "/auth/password/forgot", "password-forgot", forgot, status=202, public=True),
    Endpoint("POST", "/auth/password/reset", "password-reset", reset, status=204, public=True, refuses=(410,)),
    Endpoint("POST", "/auth/password/change", "password-change", changed, status=204),
)
