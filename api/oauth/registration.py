"""Registering clients, by administrators alone: https://www.rfc-editor.org/rfc/rfc7591

The same checks serve the endpoint and the command `chartvault clients add`. A secret is made here, shown once and never
stored.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import jwt
import msgspec

from api.fhir.exchange import Reply
from api.oauth.assertions import is_strong
from api.oauth.errors import OAuthError, json_reply
from api.oauth.service import Service
from api.oauth.visit import Visit
from domain.clients import SECRET_PROOFS, Client, GrantType, Proof, UnsoundClient, require_sound
from domain.errors import Forbidden, StepUpRequired

ADMINISTRATORS = frozenset({"ADMIN", "SUPER_ADMIN"})
FRESH_SECONDS = 300
_SECRET_BYTES = 32


class Metadata(msgspec.Struct, kw_only=True):
    """What is read of a registration; other members are ignored, as the RFC asks."""

    client_name: str
    redirect_uris: tuple[str, ...] = ()
    grant_types: tuple[GrantType, ...] = ("authorization_code",)
    token_endpoint_auth_method: Proof = "client_secret_basic"  # noqa: S105
    scope: str = ""
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None


async def register(service: Service, visit: Visit) -> Reply:
    """POST /oauth/register with an administrator's token whose second factor was proven a moment ago."""
    caller = await service.authenticator.authenticate(visit.header(b"authorization"), visit.network)
    visit.subject, visit.client = caller.subject, caller.client
    if caller.account is None or ADMINISTRATORS.isdisjoint(caller.roles):
        raise Forbidden("Clients are registered by administrators")
    proven = caller.second_factor_at
    if proven is None or service.parts.clock().timestamp() - proven > FRESH_SECONDS:
        raise StepUpRequired("Log in again with your second factor")
    try:
        given = msgspec.json.decode(visit.body, type=Metadata)
    except msgspec.MsgspecError as error:
        raise OAuthError("invalid_client_metadata", _where(error)) from None
    client = new_client(given, created=service.parts.clock(), created_by=caller.account)
    secret = new_secret(client)
    await service.clients.add(client, secret)
    visit.targets = (f"Client/{client.id}",)
    return json_reply(shown(client, secret), 201)


def new_client(given: Metadata, *, created: datetime, created_by: str) -> Client:
    """A sound client with an id of its own. Raises `UnsoundClient`."""
    keys = (given.jwks or {}).get("keys", [])
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise UnsoundClient("jwks: a JWK set is expected", reason="invalid_client_metadata")
    client = Client(
        id=secrets.token_hex(16),  # no dash in front: `chartvault clients remove ID` would take it for an option
        name=given.client_name,
        proof=given.token_endpoint_auth_method,
        grants=tuple(dict.fromkeys(given.grant_types)),
        scope=" ".join(given.scope.split()),
        created=created,
        created_by=created_by,
        redirect_uris=given.redirect_uris,
        keys=tuple(keys),
        jwks_uri=given.jwks_uri,
    )
    require_sound(client)
    for key in client.keys:
        _require_usable(key)
    return client


def new_secret(client: Client) -> str | None:
    """The secret a client of this kind needs, to be shown once; `None` when it needs none."""
    return secrets.token_urlsafe(_SECRET_BYTES) if client.proof in SECRET_PROOFS else None


def shown(client: Client, secret: str | None) -> dict[str, Any]:
    """A client as https://www.rfc-editor.org/rfc/rfc7591#section-3.2.1 shows it."""
    answer: dict[str, Any] = {
        "client_id": client.id,
        "client_id_issued_at": int(client.created.timestamp()),
        "client_name": client.name,
        "grant_types": client.grants,
        "token_endpoint_auth_method": client.proof,
        "scope": client.scope,
        "redirect_uris": client.redirect_uris,
    }
    if client.keys:
        answer["jwks"] = {"keys": client.keys}
    if client.jwks_uri is not None:
        answer["jwks_uri"] = client.jwks_uri
    if secret is not None:
        answer |= {"client_secret": secret, "client_secret_expires_at": 0}
    return answer


def _require_usable(key: Mapping[str, Any]) -> None:
    try:
        usable = is_strong(jwt.PyJWK(dict(key), algorithm="RS384" if key["kty"] == "RSA" else "ES384").key)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        usable = False
    if not usable:
        raise UnsoundClient(
            "jwks: RSA keys of 2048 bits or more, or EC keys of P-384, are expected", reason="invalid_client_metadata"
        )


def _where(error: msgspec.MsgspecError) -> str:
    """Which member is wrong, without what it holds."""
    _, _, path = str(error).partition(" - at `$.")
    return f"{path.rstrip('`')} is not what is expected" if path else "The body is not the metadata of a client"
