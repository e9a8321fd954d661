"""Logging in and out: `/api/v1/auth/*` of PRODUCT 2.11. Known and unknown addresses are answered alike."""

from __future__ import annotations

import msgspec

from api.logins import Tokens
from api.v1.endpoint import NOTHING, Endpoint, Outcome, Visit
from api.v1.forms import user_view
from api.v1.login_forms import (
    ChallengeForm,
    ChallengeView,
    LoginForm,
    LoginView,
    RefreshForm,
    RegisteredUser,
    RegisteredView,
    Registration,
    TokenForm,
    TokensView,
)
from api.v1.passwords import evenly
from api.v1.service import Service
from domain.accounts import signing_in
from domain.accounts.profiles import give_patient
from domain.accounts.registering import Applicant, register, verification_done, verify_email
from domain.accounts.second_factors import Proof, passkey_challenge
from domain.accounts.signing_in import Place, SecondFactorRequired, SignedIn, WrongLogin
from domain.errors import InvalidFields
from domain.interactions.parts import Occasion
from domain.sessions import RefreshReused

CLIENT, SCOPE = "chartvault", "user/*.cruds"
"""The clinic's own front end, and what it may do for somebody: whatever their roles and relations allow."""


async def registered(service: Service, visit: Visit, body: Registration) -> Outcome:
    """Register; the answer is the same whether the address has an account or not"""
    given = {name: getattr(body, name) for name in ("email", "first_name", "last_name", "role", "birth_date")}
    applicant = Applicant(**given)
    account = await evenly(register(service.people, applicant, body.password))
    if account is not None:
        visit.concerns(f"User/{account}")
    user = RegisteredUser(
        email=body.email.strip(),
        first_name=body.first_name,
        last_name=body.last_name,
        roles=() if applicant.is_staff else ("PATIENT",),
        status="PENDING_APPROVAL" if applicant.is_staff else "PENDING_EMAIL",
    )
    return Outcome(RegisteredView(user=user), 202)


async def verified(service: Service, visit: Visit, body: TokenForm) -> Outcome:
    """Confirm an address with the token of the letter; a patient gets a record of their own"""
    proof = await verify_email(service.people, body.token)
    visit.concerns(f"User/{proof.account.id}")
    occasion = Occasion(visit.caller, visit.request_id, "verify-email")
    _, written = await give_patient(service.people, service.parts, occasion, proof)
    await verification_done(service.people, body.token)
    return Outcome(status=204, recorded=written is not None and written.recorded)


async def login(service: Service, visit: Visit, body: LoginForm) -> Outcome:
    """Log in; 200 without tokens when a second factor is missing"""
    place = Place(visit.caller.network, body.device)
    try:
        signed_in = await _proven(service, body, place)
    except SecondFactorRequired as more:
        visit.concerns(f"User/{more.account}")
        missing = LoginView(
            mfa_required=bool(more.ways), enrolment_required=not more.ways, mfa_token=more.ticket, methods=more.ways
        )
        return Outcome(missing)
    except WrongLogin as wrong:
        if wrong.account is not None:
            visit.concerns(f"User/{wrong.account}")
        raise
    return Outcome(await logged_in(service, visit, signed_in))


async def _proven(service: Service, body: LoginForm, place: Place) -> SignedIn:
    proof = _proof(body)
    if body.mfa_token is not None:
        if proof is None:
            raise InvalidFields("A code, a recovery code or a passkey is required", expression="otp")
        return await signing_in.go_on(service.people, body.mfa_token, proof, place=place)
    if body.email is not None and body.password is not None:
        return await signing_in.sign_in(service.people, body.email, body.password, proof=proof, place=place)
    if bytes(body.passkey) and body.passkey_token is not None:
        return await signing_in.sign_in_with_passkey(
            service.people, body.passkey_token, bytes(body.passkey), place=place
        )
    raise InvalidFields("An address and a password are required", expression="password" if body.email else "email")


def _proof(body: LoginForm) -> Proof | None:
    if body.otp is not None:
        return Proof(code="".join(body.otp.split()))
    if body.recovery_code is not None:
        return Proof(recovery=body.recovery_code)
    if bytes(body.passkey):
        return Proof(passkey=bytes(body.passkey), ticket=body.passkey_token)
    return None


async def logged_in(service: Service, visit: Visit, signed_in: SignedIn) -> LoginView:
    """Open the session of a proven identity, in whose name the request is recorded."""
    account = signed_in.account
    tokens = await service.logins.open_login(
        account.id,
        client=CLIENT,
        scope=SCOPE,
        authenticated_at=signed_in.authenticated_at,
        second_factor_at=signed_in.second_factor_at,
        label=_label(visit),
    )
    visit.concerns(f"User/{account.id}")
    visit.caller = msgspec.structs.replace(visit.caller, subject=account.id, client=CLIENT, account=account.id)
    return LoginView(
        user=user_view(account),
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_in=tokens.expires_in,
        session_id=tokens.session.id,
        device=signed_in.device,
    )


async def refreshed(service: Service, visit: Visit, body: RefreshForm) -> Outcome:
    """The next tokens; a token that comes a second time ends the whole session"""
    try:
        tokens = await service.logins.refresh(body.refresh_token, client=CLIENT, retry=visit.header(b"idempotency-key"))
    except RefreshReused as reused:
        visit.concerns(f"User/{reused.account}", f"Session/{reused.session}")
        raise
    _renamed(visit, tokens)
    view = TokensView(
        access_token=tokens.access_token, refresh_token=tokens.refresh_token, expires_in=tokens.expires_in
    )
    return Outcome(view)


async def logged_out(service: Service, visit: Visit) -> Outcome:
    """Log out: no token of this session is good any more, on any worker"""
    if visit.caller.session is not None:
        visit.concerns(f"Session/{visit.caller.session}")
        await service.logins.end(visit.caller.session, account=visit.caller.account)
    return NOTHING


async def challenged(service: Service, visit: Visit, body: ChallengeForm) -> Outcome:
    """Begin to log in with a passkey"""
    credentials = None
    if body.mfa_token is not None:
        _, credentials = await signing_in.waiting(service.people, body.mfa_token)
    options, ticket = await passkey_challenge(service.people, credentials)
    return Outcome(ChallengeView(options=msgspec.Raw(options.encode()), passkey_token=ticket))


def _renamed(visit: Visit, tokens: Tokens) -> None:
    account = tokens.session.login.account
    visit.concerns(f"Session/{tokens.session.id}")
    visit.caller = msgspec.structs.replace(visit.caller, subject=account, client=CLIENT, account=account)


def _label(visit: Visit) -> str:
    """What its owner recognises the session by: the program it came from."""
    return (visit.header(b"user-agent") or "")[:120]


ENDPOINTS = (
    Endpoint("POST", "/auth/register", "register", registered, RegisteredView, 202, public=True, refuses=(409,)),
    Endpoint("POST", "/auth/verify-email", "verify-email", verified, status=204, public=True, refuses=(410,)),
    Endpoint(
        "POST",
        "/auth/login",
        "login",
        login,
        LoginView,
        public=True,
        refuses=(
            401,
            403,
            409,
        ),
    ),
    Endpoint(
        "POST", "/auth/passkey/challenge", "login-challenge", challenged, ChallengeView, public=True, refuses=(401,)
    ),
    Endpoint("POST", "/auth/refresh", "login-refresh", refreshed, TokensView, public=True, refuses=(401,)),
    Endpoint("POST", "/auth/logout", "logout", logged_out, status=204),
)
