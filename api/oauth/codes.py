"""Authorization codes: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3 and PKCE, https://www.rfc-editor.org/rfc/rfc7636

A code is good once, for a minute, for the client, the redirect URI and the verifier it was asked with. One that comes a
second time ends the session the first one opened.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import timedelta

import msgspec

from api.fhir.exchange import Reply
from api.oauth.answers import identity_token, token_answer
from api.oauth.errors import OAuthError, json_reply
from api.oauth.service import Service
from api.oauth.visit import Visit
from api.thumbprints import base64url
from domain.clients import Client

LIFETIME = timedelta(seconds=60)
_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
CHALLENGE = re.compile(r"[A-Za-z0-9_\-]{43}")
_REFUSED = "The authorization code is not valid"


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody agreed to, and how they had proven who they are."""

    client: str
    redirect_uri: str
    challenge: str
    scope: str
    account: str
    authenticated_at: float
    second_factor_at: float | None
    patient: str | None
    nonce: str | None
    label: str

    def __repr__(self) -> str:
        return f"Approval({self.client})"


async def new_code(service: Service, approval: Approval) -> str:
    """A code for what was agreed to."""
    code = secrets.token_urlsafe(32)
    expires = service.parts.clock() + LIFETIME
    await service.vouchers.put("code", code, msgspec.json.encode(approval), expires=expires)
    return code


async def exchange_code(service: Service, visit: Visit, client: Client) -> Reply:
    """The first tokens for a code. Raises `OAuthError` (`invalid_grant`) for whatever does not fit."""
    code = visit.form.get("code", "")
    taken = await service.vouchers.take("code", code) if len(code) <= 128 else None
    if taken is None:
        raise OAuthError("invalid_grant", _REFUSED)
    approval = msgspec.json.decode(taken.content, type=Approval)
    if not taken.first:
        visit.interaction, visit.subject = "authorization-code-reuse", approval.account
        if taken.session is not None:
            await service.logins.end(taken.session)
        raise OAuthError("invalid_grant", _REFUSED)
    _require_same(visit, client, approval)
    return await _opened(service, visit, code, approval)


async def _opened(service: Service, visit: Visit, code: str, approval: Approval) -> Reply:
    standing = (await service.accounts.standings([approval.account])).get(approval.account)
    if standing is None or not standing.active:
        raise OAuthError("invalid_grant", _REFUSED)
    scopes = approval.scope.split()
    tokens = await service.logins.open_login(
        approval.account,
        client=approval.client,
        scope=approval.scope,
        authenticated_at=approval.authenticated_at,
        second_factor_at=approval.second_factor_at,
        patient=approval.patient,
        label=approval.label,
        offline="offline_access" in scopes,
    )
    if not await service.vouchers.bind("code", code, tokens.session.id):
        await service.logins.end(tokens.session.id)
        raise OAuthError("invalid_grant", _REFUSED)
    visit.subject = approval.account
    visit.patients = (approval.patient,) if approval.patient else ()
    answer = token_answer(tokens, approval.scope)
    if "openid" in scopes:
        answer["id_token"] = await identity_token(service, approval, standing.profiles)
    return json_reply(answer)


def _require_same(visit: Visit, client: Client, approval: Approval) -> None:
    verifier = visit.form.get("code_verifier", "")
    proof = base64url(hashlib.sha256(verifier.encode()).digest())
    same = (
        approval.client == client.id
        and approval.redirect_uri == visit.form.get("redirect_uri")
        and _VERIFIER.fullmatch(verifier) is not None
        and hmac.compare_digest(proof, approval.challenge)
    )
    if not same:
        raise OAuthError("invalid_grant", _REFUSED)
