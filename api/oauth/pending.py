"""A login under way: what the app asked, how far the person has come, and which browser it belongs to.

Kept on the server, sealed; the browser holds a random cookie without which the login cannot be found, so that nobody can be
made to finish the login of somebody else. Each step is stored by compare and swap: pressed twice, it counts once.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from api.oauth.errors import OAuthError
from api.oauth.requests import Request
from api.oauth.service import Service
from api.oauth.visit import Visit
from api.thumbprints import base64url
from domain.vouchers import Voucher

LIFETIME = timedelta(minutes=15)
DEVICE_SECONDS = 180 * 86_400
Stage: TypeAlias = Literal["login", "second-factor", "patient", "consent"]
_COOKIE, _DEVICE = "chartvault-login", "chartvault-device"


class Choice(msgspec.Struct, frozen=True):
    """A patient somebody may choose."""

    id: str
    name: str

    def __repr__(self) -> str:
        return f"Choice({self.id})"


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """How far a login has come. `message` is said once, on the next page; `ticket` continues to the second factor."""

    request: Request
    stage: Stage = "login"
    message: str | None = None
    ticket: str | None = None
    recovery: bool = False
    account: str | None = None
    authenticated_at: float = 0.0
    second_factor_at: float | None = None
    choices: tuple[Choice, ...] = ()
    patient: Choice | None = None

    def __repr__(self) -> str:
        return f"Pending({self.stage})"


class Progress(NamedTuple):
    """A stored login: its id, the browser's secret, and the voucher to swap."""

    id: str
    browser: str
    pending: Pending
    turn: int

    def __repr__(self) -> str:
        return f"Progress({self.pending.stage})"

    @property
    def csrf(self) -> str:
        """What every form carries: only a page of this login, in this browser, knows it."""
        return base64url(hashlib.sha256(f"form|{self.id}|{self.browser}".encode()).digest())

    @property
    def _name(self) -> str:
        return f"{self.id}|{self.browser}"

    async def move(self, service: Service, pending: Pending) -> None:
        """Store the next step. Raises `OAuthError` when the same form was sent at the same time."""
        voucher = Voucher(msgspec.json.encode(pending), self.turn)
        if not await service.vouchers.change("authorization", self._name, voucher):
            raise OAuthError(
                "invalid_request", "This step has been done already; go on in the newest page.", status=409
            )

    async def finish(self, service: Service) -> None:
        """End it, whatever the outcome. Raises `OAuthError` when it has been ended already."""
        taken = await service.vouchers.take("authorization", self._name)
        if taken is None or not taken.first:
            raise _gone()


async def begin(service: Service, request: Request) -> Progress:
    """A new login, for the browser that gets its cookie."""
    progress = Progress(secrets.token_urlsafe(18), secrets.token_urlsafe(32), Pending(request=request), 1)
    expires = service.parts.clock() + LIFETIME
    content = msgspec.json.encode(progress.pending)
    await service.vouchers.put("authorization", f"{progress.id}|{progress.browser}", content, expires=expires)
    return progress


async def under_way(service: Service, visit: Visit, login_id: str) -> Progress:
    """The login of this address in this browser. Raises `OAuthError` for any other."""
    browser = visit.cookies.get(_COOKIE, "")
    good = len(login_id) <= 64 and len(browser) <= 64
    voucher = await service.vouchers.read("authorization", f"{login_id}|{browser}") if good else None
    if voucher is None:
        raise _gone()
    pending = msgspec.json.decode(voucher.content, type=Pending)
    visit.client = pending.request.client
    visit.subject = pending.account or visit.subject
    return Progress(login_id, browser, pending, voucher.turn)


def require_form(visit: Visit, progress: Progress) -> None:
    """Raise `OAuthError` unless the form came from our own page in the same browser."""
    if not hmac.compare_digest(visit.form.get("csrf", "").encode(), progress.csrf.encode()):
        raise OAuthError("invalid_request", "This form is not from this page.", status=403)


def login_cookie(service: Service, progress: Progress) -> str:
    """Sent for this login alone. Lax, since the browser comes from the app."""
    path = f"{_path(service)}/authorize/{progress.id}"
    return _cookie(service, _COOKIE, progress.browser, path, int(LIFETIME.total_seconds()))


def device_cookie(service: Service, device: str) -> str:
    """By which a device is known at the next login; proves nothing else."""
    return _cookie(service, _DEVICE, device, _path(service), DEVICE_SECONDS)


def device_of(visit: Visit) -> str | None:
    device = visit.cookies.get(_DEVICE, "")
    return device if 0 < len(device) <= 128 else None


def _path(service: Service) -> str:
    return service.url("").rstrip("/").removeprefix(service.settings.origin)


def _cookie(service: Service, name: str, value: str, path: str, seconds: int) -> str:
    cookie: SimpleCookie = SimpleCookie()
    cookie[name] = value
    morsel = cookie[name]
    morsel["path"], morsel["samesite"], morsel["max-age"] = path, "Lax", str(seconds)
    morsel["httponly"], morsel["secure"] = "1", "1" if service.issuer.startswith("https:") else ""
    return morsel.OutputString()


def _gone() -> OAuthError:
    text = "This login has ended or was begun in another browser. Go back to the app and begin again."
    return OAuthError("invalid_request", text)
