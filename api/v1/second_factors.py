"""Setting up and removing second factors: `/api/v1/auth/mfa*` and passkeys.

Somebody whose role needs a second factor and who has none sets it up inside the first login, with `mfaToken` instead of a
token, and is logged in by it. Everybody else must have logged in a moment ago.
"""

from __future__ import annotations

import base64
from typing import NamedTuple

import msgspec

from api.v1.auth import logged_in
from api.v1.endpoint import NOTHING, Endpoint, Form, Outcome, View, Visit
from api.v1.forms import Code, Name, Token, seconds_of
from api.v1.login_forms import LoginView
from api.v1.service import Service
from domain.accounts import second_factors, signing_in
from domain.accounts.account import Account, Credentials
from domain.accounts.managing import own
from domain.accounts.signing_in import Place
from domain.errors import Forbidden, InvalidFields


class EnrolForm(Form, frozen=True, kw_only=True):
    mfa_token: Token | None = None


class ConfirmForm(Form, frozen=True, kw_only=True):
    code: Code
    mfa_token: Token | None = None
    device: Token | None = None


class PasskeyForm(Form, frozen=True, kw_only=True):
    """`credential` is what `navigator.credentials.create` answered."""

    credential: msgspec.Raw
    passkey_token: Token
    label: Name = "Passkey"
    mfa_token: Token | None = None
    device: Token | None = None


class EnrolmentView(View, frozen=True, kw_only=True):
    otpauth_uri: str
    secret: str


class RegistrationView(View, frozen=True, kw_only=True):
    """`options` go to `navigator.credentials.create`, `passkeyToken` comes back with its answer."""

    options: msgspec.Raw
    passkey_token: str


class EnrolledView(View, frozen=True, kw_only=True, omit_defaults=True):
    """Recovery codes, shown this once; and the login, when this finished one."""

    recovery_codes: tuple[str, ...]
    login: LoginView | None = None


class PasskeyView(View, frozen=True, kw_only=True):
    id: str
    label: str
    created_at: str


class FactorsView(View, frozen=True, kw_only=True):
    totp: bool
    passkeys: tuple[PasskeyView, ...]
    recovery_codes_left: int


class _Owner(NamedTuple):
    account: Account
    credentials: Credentials


async def listed(service: Service, visit: Visit) -> Outcome:
    """How one's own login is protected"""
    _, credentials = await _owner(service, visit)
    keys = tuple(
        PasskeyView(id=_text(each.id), label=each.label, created_at=seconds_of(each.created))
        for each in credentials.passkeys
    )
    totp = credentials.totp is not None and credentials.totp.confirmed
    return Outcome(FactorsView(totp=totp, passkeys=keys, recovery_codes_left=len(credentials.recovery)))


async def enrolled(service: Service, visit: Visit, body: EnrolForm) -> Outcome:
    """Begin to set up an authenticator app"""
    account, credentials = await _changing(service, visit, body.mfa_token)
    made = await second_factors.enrol(service.people, account, credentials)
    return Outcome(EnrolmentView(otpauth_uri=made.uri, secret=made.secret))


async def confirmed(service: Service, visit: Visit, body: ConfirmForm) -> Outcome:
    """Finish with the first code of the app"""
    account, credentials = await _changing(service, visit, body.mfa_token)
    code = "".join(body.code.split())
    after, codes = await second_factors.confirm(service.people, account, credentials, code)
    return await _enrolled(service, visit, _Owner(account, after), codes, body.mfa_token, body.device)


async def passkey_begun(service: Service, visit: Visit, body: EnrolForm) -> Outcome:
    """Begin to add a passkey"""
    account, credentials = await _changing(service, visit, body.mfa_token)
    options, ticket = await second_factors.begin_passkey(service.people, account, credentials)
    return Outcome(RegistrationView(options=msgspec.Raw(options.encode()), passkey_token=ticket))


async def passkey_added(service: Service, visit: Visit, body: PasskeyForm) -> Outcome:
    """Add the passkey the browser made"""
    account, credentials = await _changing(service, visit, body.mfa_token)
    after, codes = await second_factors.add_passkey(
        service.people,
        account,
        credentials,
        ticket=body.passkey_token,
        answer=bytes(body.credential),
        label=body.label,
    )
    return await _enrolled(service, visit, _Owner(account, after), codes, body.mfa_token, body.device)


async def removed(service: Service, visit: Visit) -> Outcome:
    """Remove the authenticator app"""
    account, credentials = await _changing(service, visit, None)
    await second_factors.remove(service.people, account, credentials)
    return NOTHING


async def passkey_removed(service: Service, visit: Visit) -> Outcome:
    """Remove a passkey"""
    account, credentials = await _changing(service, visit, None)
    await second_factors.remove(service.people, account, credentials, passkey=_bytes(visit.params["id"]))
    return NOTHING


async def _enrolled(
    service: Service, visit: Visit, owner: _Owner, codes: tuple[str, ...], mfa_token: str | None, device: str | None
) -> Outcome:
    """The recovery codes, and the login when this was the second step of one."""
    if mfa_token is None:
        return Outcome(EnrolledView(recovery_codes=codes), 201)
    place = Place(visit.caller.network, device)
    signed_in = await signing_in.finish(service.people, mfa_token, owner.account, owner.credentials, place=place)
    return Outcome(EnrolledView(recovery_codes=codes, login=await logged_in(service, visit, signed_in)), 201)


async def _owner(service: Service, visit: Visit) -> _Owner:
    account = await own(service.people, visit.caller)
    credentials = await service.people.accounts.credentials(account.id)
    if credentials is None:
        raise Forbidden("This is for people who have logged in")
    visit.concerns(f"User/{account.id}")
    return _Owner(account, credentials)


async def _changing(service: Service, visit: Visit, mfa_token: str | None) -> _Owner:
    """Whose second factors are changed: of who has just logged in, or of who logs in and has none yet."""
    if mfa_token is None:
        owner = await _owner(service, visit)
        second_factors.require_fresh(visit.caller, owner.credentials, service.people.clock())
        return owner
    account, credentials = await signing_in.waiting(service.people, mfa_token)
    visit.concerns(f"User/{account.id}")
    if credentials.second_factor:
        raise Forbidden("Prove the second factor that is set up", reason="second_factor_required")
    return _Owner(account, credentials)


def _text(identity: bytes) -> str:
    return base64.urlsafe_b64encode(identity).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise InvalidFields("This is not the id of a passkey") from None


ENDPOINTS = (
    Endpoint("GET", "/auth/mfa", "mfa-read", listed, FactorsView),
    Endpoint(
        "POST", "/auth/mfa/enroll", "mfa-enroll", enrolled, EnrolmentView, public=True, optional=True, refuses=(409,)
    ),
    Endpoint(
        "POST",
        "/auth/mfa/verify",
        "mfa-confirm",
        confirmed,
        EnrolledView,
        201,
        public=True,
        optional=True,
        refuses=(409,),
    ),
    Endpoint("DELETE", "/auth/mfa", "mfa-remove", removed, status=204),
    Endpoint(
        "POST", "/auth/passkeys/challenge", "passkey-begin", passkey_begun, RegistrationView, public=True, optional=True
    ),
    Endpoint("POST", "/auth/passkeys", "passkey-add", passkey_added, EnrolledView, 201, public=True, optional=True),
    Endpoint("DELETE", "/auth/passkeys/{id}", "passkey-remove", passkey_removed, status=204),
)
