"""The token endpoint: https://www.rfc-editor.org/rfc/rfc6749#section-3.2, SMART backend services and app launch.

Each grant is one function; all cut what is granted down to what the client is registered for now, not then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from api.fhir.exchange import Reply
from api.oauth.answers import token_answer
from api.oauth.client_proof import proven_client
from api.oauth.codes import exchange_code
from api.oauth.errors import OAuthError, json_reply
from api.oauth.service import Service
from api.oauth.visit import Visit
from domain.clients import Client
from domain.errors import Unauthenticated
from domain.scopes import covered
from domain.sessions import RefreshReused, Session

BACKEND_SECONDS = 300
"""SMART backend services: a token lives five minutes at most."""
_LONGEST_RETRY = 200


async def token(service: Service, visit: Visit) -> Reply:
    """POST /oauth/token"""
    client = await proven_client(service, visit)
    kind = visit.form.get("grant_type", "")
    grant = _GRANTS.get(kind)
    if grant is None:
        raise OAuthError("unsupported_grant_type", f"grant_type must be one of {', '.join(_GRANTS)}")
    if kind not in client.grants:
        raise OAuthError("unauthorized_client", "The client is not registered for this grant")
    return await grant(service, visit, client)


async def _backend(service: Service, visit: Visit, client: Client) -> Reply:
    """Client credentials: https://hl7.org/fhir/smart-app-launch/backend-services.html"""
    granted = covered(visit.form.get("scope", ""), client.scope, ("system",))
    if "/" not in granted:
        raise OAuthError("invalid_scope", "None of these scopes may be granted to the client")
    visit.subject = client.id
    token = service.tokens.make(subject=client.id, client=client.id, scopes=granted, lifetime_seconds=BACKEND_SECONDS)
    return json_reply({"access_token": token, "token_type": "bearer", "expires_in": BACKEND_SECONDS, "scope": granted})


async def _refresh(service: Service, visit: Visit, client: Client) -> Reply:
    """The next tokens of a session: https://www.rfc-editor.org/rfc/rfc6749#section-6"""
    given = visit.form.get("refresh_token", "")
    narrower = visit.form.get("scope")
    scope: str | None = None
    session = await service.logins.sessions.holder(given)
    if session is not None and session.login.client == client.id:
        scope = _renewed_scope(session, client, narrower)
    try:
        tokens = await service.logins.refresh(given, client=client.id, retry=_retry(visit), scope=scope)
    except RefreshReused as error:
        visit.interaction, visit.subject = "refresh-token-reuse", error.account
        raise OAuthError("invalid_grant", "The refresh token is not valid") from None
    except Unauthenticated:
        raise OAuthError("invalid_grant", "The refresh token is not valid") from None
    visit.subject = tokens.session.login.account
    return json_reply(token_answer(tokens, tokens.session.login.scope if scope is None else scope))


def _renewed_scope(session: Session, client: Client, narrower: str | None) -> str:
    """What was granted, as far as the client is still registered for it; of that, what it asks for now."""
    granted = covered(session.login.scope, client.scope, ("patient", "user"))
    if narrower is None:
        return granted
    scope = covered(narrower, granted, ("patient", "user"))
    if scope.split() != narrower.split():
        raise OAuthError("invalid_scope", "A refreshed token cannot be granted more than the first one")
    return scope


def _retry(visit: Visit) -> str | None:
    """The name of this attempt, when the client gave one, so that it may repeat it after a lost answer."""
    name = visit.header(b"idempotency-key")
    return name if name and len(name) <= _LONGEST_RETRY else None


_GRANTS: Mapping[str, Callable[[Service, Visit, Client], Awaitable[Reply]]] = {
    "authorization_code": exchange_code,
    "refresh_token": _refresh,
    "client_credentials": _backend,
}
