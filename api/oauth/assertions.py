"""Assertions by which clients prove who they are: `private_key_jwt`.

https://www.rfc-editor.org/rfc/rfc7523#section-3 and SMART App Launch 2.2 (client-confidential-asymmetric): RS384 or ES384 with
a registered key, for this token endpoint, for at most five minutes, good once. The token brings no key: `jku` is only ever
compared with the registered address, `jwk` and `x5u` are never looked at, the algorithm must fit the key.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from api.oauth.errors import invalid_client
from api.oauth.fetching import FetchFailed
from api.oauth.service import Service
from domain.clients import Client

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = {"RS384": "RSA", "ES384": "EC"}
"""What is accepted, each with the type of its key."""
LONGEST_SECONDS, LEEWAY_SECONDS = 300, 10
MAX_CHARACTERS, _LONGEST_ID = 8_192, 256
_LEAST_RSA_BITS, _MOST_RSA_BITS = 2_048, 8_192
_REFUSED = "The client assertion is not valid"


def claimed_client(assertion: str) -> str:
    """Whose assertion it claims to be, to find the keys; proves nothing. Raises `OAuthError`."""
    if len(assertion) > MAX_CHARACTERS or not assertion.isascii():
        raise invalid_client(_REFUSED)
    try:
        claims: dict[str, Any] = jwt.decode(assertion, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError):
        raise invalid_client(_REFUSED) from None
    client_id = claims.get("sub")
    if not isinstance(client_id, str) or not 0 < len(client_id) <= _LONGEST_ID:
        raise invalid_client(_REFUSED)
    return client_id


async def require_assertion(service: Service, client: Client, assertion: str) -> None:
    """Raise `OAuthError` unless the client made this assertion, for us, now, and for the first time."""
    key_id, algorithm = _header(client, assertion)
    try:
        keys = await service.key_sets.candidates(client, key_id)
    except FetchFailed as error:
        raise invalid_client(str(error)) from None
    if len(keys) != 1 or keys[0].get("kty") != ALGORITHMS[algorithm]:
        raise invalid_client(_REFUSED)
    claims = _verified(service, client, assertion, algorithm, dict(keys[0]))
    until = datetime.fromtimestamp(int(claims["exp"]) + LEEWAY_SECONDS, UTC)
    if not await service.vouchers.put("assertion", f"{client.id}|{claims['jti']}", b"", expires=until):
        raise invalid_client("The client assertion has been used before")


def _header(client: Client, assertion: str) -> tuple[str, str]:
    try:
        header = jwt.get_unverified_header(assertion)
    except (jwt.PyJWTError, ValueError, TypeError):
        raise invalid_client(_REFUSED) from None
    key_id, algorithm = header.get("kid"), header.get("alg")
    if not isinstance(key_id, str) or not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise invalid_client("The client assertion needs a kid, and RS384 or ES384")
    if str(header.get("typ", "JWT")).upper() != "JWT":
        raise invalid_client(_REFUSED)
    if "jku" in header and (client.jwks_uri is None or header["jku"] != client.jwks_uri):
        raise invalid_client("The jku of the client assertion is not the registered one")
    return key_id, algorithm


def _verified(service: Service, client: Client, assertion: str, algorithm: str, jwk: dict[str, Any]) -> dict[str, Any]:
    try:
        key = jwt.PyJWK(jwk, algorithm=algorithm).key
        if not is_strong(key):
            raise invalid_client(_REFUSED)
        claims: dict[str, Any] = jwt.decode(
            assertion,
            key,
            algorithms=[algorithm],
            audience=service.url("token"),
            issuer=client.id,
            subject=client.id,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "aud", "iss", "sub", "jti"], "strict_aud": True},
        )
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
        raise invalid_client(_REFUSED) from None
    if int(claims["exp"]) > time.time() + LONGEST_SECONDS + LEEWAY_SECONDS:
        raise invalid_client("The client assertion lives longer than five minutes")
    if not 0 < len(claims["jti"]) <= _LONGEST_ID:
        raise invalid_client(_REFUSED)
    return claims


def is_strong(key: object) -> bool:
    """A public key that can verify one of `ALGORITHMS`, neither too short nor so long that verifying costs a second."""
    if isinstance(key, RSAPublicKey):
        return _LEAST_RSA_BITS <= key.key_size <= _MOST_RSA_BITS
    return isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP384R1)
