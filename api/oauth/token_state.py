"""Revocation and introspection: https://www.rfc-editor.org/rfc/rfc7009 and https://www.rfc-editor.org/rfc/rfc7662

Revoking any token of a session ends the session, and all its tokens with it. A client learns and ends only what is its own;
of anything else it hears the same as of a token that never was.
"""

from __future__ import annotations

import time
from typing import Any

import jwt

from api.fhir.exchange import Reply
from api.oauth.answers import fhir_user
from api.oauth.client_proof import proven_client
from api.oauth.errors import OAuthError, invalid_client, json_reply
from api.oauth.service import Service
from api.oauth.visit import Visit
from domain.errors import Unauthenticated
from domain.sessions import Session


async def revoke(service: Service, visit: Visit) -> Reply:
    """POST /oauth/revoke: 200 whether or not there was anything to end."""
    client = await proven_client(service, visit)
    text = _token(visit)
    session = await service.logins.sessions.holder(text)
    if session is not None:
        session_id, owner, holder = session.id, session.login.account, session.login.client
    else:
        caller = await _caller(service, text)
        if caller is None or caller["sid"] is None:
            return json_reply({})
        session_id, owner, holder = caller["sid"], caller["sub"], caller["client_id"]
    if holder == client.id:
        visit.subject = owner
        await service.logins.end(session_id)
    return json_reply({})


async def introspect(service: Service, visit: Visit) -> Reply:
    """POST /oauth/introspect, for confidential clients, of their own tokens."""
    client = await proven_client(service, visit)
    if client.proof == "none":
        raise invalid_client("Introspection is for clients that can prove who they are")
    text = _token(visit)
    session = await service.logins.sessions.holder(text)
    found = _of_session(session) if session is not None else await _caller(service, text) or {}
    if found.get("client_id") != client.id:
        return json_reply({"active": False})
    visit.subject = str(found["sub"])
    answer = {name: value for name, value in found.items() if value is not None and name != "sid"}
    return json_reply({"active": True, "iss": service.settings.token_issuer, **answer})


def _token(visit: Visit) -> str:
    text = visit.form.get("token")
    if text is None:
        raise OAuthError("invalid_request", "token is missing")
    return text


def _of_session(session: Session) -> dict[str, Any]:
    login = session.login
    return {
        "sub": login.account,
        "client_id": login.client,
        "scope": login.scope,
        "patient": login.patient,
        "token_type": "refresh_token",
        "exp": int(session.expires.timestamp()),
        "iat": int(session.created.timestamp()),
        "sid": session.id,
    }


async def _caller(service: Service, text: str) -> dict[str, Any] | None:
    """What a good access token says, and what its session adds; `None` for any other text."""
    try:
        caller = await service.authenticator.authenticate(f"Bearer {text}", None)
    except Unauthenticated:
        return None
    claims: dict[str, Any] = jwt.decode(text, options={"verify_signature": False})  # verified just now
    if claims["exp"] <= time.time():
        return None
    person = fhir_user(caller.profiles)
    return {
        "sub": caller.subject,
        "client_id": caller.client,
        "scope": claims.get("scope", ""),
        "patient": caller.patient,
        "fhirUser": f"{service.settings.fhir_base}/{person}" if person and caller.account else None,
        "token_type": "Bearer",
        "exp": claims["exp"],
        "iat": claims["iat"],
        "jti": claims["jti"],
        "aud": claims["aud"],
        "sid": caller.session,
    }
