"""What clients need to know before they begin: endpoints, keys, scopes.

https://www.rfc-editor.org/rfc/rfc8414, https://openid.net/specs/openid-connect-discovery-1_0.html, SMART App Launch 2.2
(conformance): always JSON, whatever `Accept` says, the same for everybody.
"""

from __future__ import annotations

from typing import Any

import msgspec

from api.fhir.exchange import Reply
from api.oauth.service import Service
from api.oauth.visit import Visit
from api.settings import Settings

PROOFS = ("private_key_jwt", "client_secret_basic", "client_secret_post", "none")
CAPABILITIES = (
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-standalone-patient",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
)
SCOPES = (
    "openid",
    "fhirUser",
    "launch/patient",
    "offline_access",
    "online_access",
    *(f"{level}/*.{letters}" for level in ("patient", "user", "system") for letters in ("rs", "cruds")),
)
KEPT_SECONDS = 300


def metadata(settings: Settings) -> dict[str, Any]:
    """The document for all three addresses: each specification asks for some of it and ignores the rest."""
    base = f"{settings.public_url}/oauth"
    return {
        "issuer": settings.public_url,
        "jwks_uri": f"{base}/jwks",
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
        "registration_endpoint": f"{base}/register",
        "introspection_endpoint": f"{base}/introspect",
        "revocation_endpoint": f"{base}/revoke",
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "scopes_supported": list(SCOPES),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": list(PROOFS),
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "introspection_endpoint_auth_methods_supported": list(PROOFS[:-1]),
        "revocation_endpoint_auth_methods_supported": list(PROOFS),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "nonce", "fhirUser"],
        "authorization_response_iss_parameter_supported": True,
        "capabilities": list(CAPABILITIES),
    }


def metadata_reply(settings: Settings) -> Reply:
    """The document as an answer."""
    return _public(metadata(settings))


async def key_set(service: Service, visit: Visit) -> Reply:
    """GET /oauth/jwks: the public keys of our tokens."""
    await service.signatures.ensure("id")
    return _public(service.signatures.key_set())


def _public(content: object) -> Reply:
    headers = {"content-type": "application/json"}
    return Reply(200, headers, msgspec.json.encode(content))
