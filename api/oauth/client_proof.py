"""Who asks at the endpoints for programs: https://www.rfc-editor.org/rfc/rfc6749#section-2.3

A client proves itself in the one way it was registered for; a request that tries two ways at once is refused. Until it is
proven the audit names nobody.
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_plus

from api.oauth.assertions import ASSERTION_TYPE, claimed_client, require_assertion
from api.oauth.errors import OAuthError, invalid_client
from api.oauth.service import Service
from api.oauth.visit import Visit
from domain.clients import Client

_UNKNOWN = "The client is not known, or has not proven who it is"
_LONGEST_ID = 256


async def proven_client(service: Service, visit: Visit) -> Client:
    """The registered client that made this request. Raises `OAuthError` (`invalid_client`, `invalid_request`)."""
    form = visit.form
    basic = visit.header(b"authorization")
    assertion = form.get("client_assertion")
    if sum((basic is not None, assertion is not None, "client_secret" in form)) > 1:
        raise OAuthError("invalid_request", "A client proves who it is in one way, not two")
    if assertion is not None or "client_assertion_type" in form:
        client = await _by_assertion(service, form.get("client_assertion_type"), assertion or "")
    elif basic is not None:
        client_id, secret = _basic(basic)
        client = await _by_secret(service, client_id, secret, "client_secret_basic", status=401)
    elif "client_secret" in form:
        client = await _by_secret(service, form.get("client_id", ""), form["client_secret"], "client_secret_post")
    else:
        client = await _registered(service, form.get("client_id", ""))
        if client.proof != "none":
            raise invalid_client(_UNKNOWN)
    if form.get("client_id", client.id) != client.id:
        raise invalid_client("client_id is not the client that proved itself")
    visit.client = client.id
    return client


async def _by_assertion(service: Service, kind: str | None, assertion: str) -> Client:
    if kind != ASSERTION_TYPE:
        raise OAuthError("invalid_request", f"client_assertion_type must be {ASSERTION_TYPE}")
    client = await _registered(service, claimed_client(assertion))
    if client.proof != "private_key_jwt":
        raise invalid_client(_UNKNOWN)
    await require_assertion(service, client, assertion)
    return client


async def _by_secret(service: Service, client_id: str, secret: str, proof: str, *, status: int = 400) -> Client:
    right = await service.clients.knows_secret(client_id[:_LONGEST_ID], secret)
    client = await service.clients.find(client_id) if right else None
    if client is None or client.proof != proof:
        raise invalid_client(_UNKNOWN, status=status)
    return client


async def _registered(service: Service, client_id: str) -> Client:
    client = await service.clients.find(client_id) if 0 < len(client_id) <= _LONGEST_ID else None
    if client is None:
        raise invalid_client(_UNKNOWN)
    return client


def _basic(header: str) -> tuple[str, str]:
    """Id and secret, each form-encoded inside: https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1"""
    scheme, _, credentials = header.partition(" ")
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise invalid_client(_UNKNOWN, status=401) from None
    client_id, colon, secret = text.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise invalid_client(_UNKNOWN, status=401)
    return unquote_plus(client_id), unquote_plus(secret)
