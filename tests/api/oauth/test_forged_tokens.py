"""Forged access tokens of a person over HTTP: https://www.rfc-editor.org/rfc/rfc6750#section-3.1, RFC 8725

Each differs from a good one in one thing; the good one names a session that is open.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.api.oauth.installation import Installation
from tests.api.oauth.people import add_person

THEIRS = Ed25519PrivateKey.generate()


class Mint:
    """Tokens as the installation makes them, with its own key, but for one change."""

    def __init__(self, installation: Installation, good: str) -> None:
        signatures = installation.parts.signatures
        self.claims: dict[str, Any] = jwt.decode(good, options={"verify_signature": False})
        self.header = {"typ": "at+jwt", "kid": jwt.get_unverified_header(good)["kid"]}
        self.key: Any = signatures._private[self.header["kid"]]

    def made(self, *, key: Any = None, header: dict[str, Any] | None = None, without: str = "", **claims: Any) -> str:
        body = {**self.claims, **claims}
        body.pop(without, None)
        return jwt.encode(body, key or self.key, algorithm="EdDSA", headers={**self.header, **(header or {})})

    def by_hand(self, header: dict[str, Any], secret: bytes | None) -> str:
        parts = [json.dumps(part).encode() for part in ({**self.header, **header}, self.claims)]
        text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
        mac = b"" if secret is None else hmac.digest(secret, text, hashlib.sha256)
        return (text + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


def public_bytes(mint: Mint) -> bytes:
    raw: bytes = mint.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return raw


FORGED: dict[str, Callable[[Mint], str]] = {
    "alg none": lambda m: m.by_hand({"alg": "none"}, None),
    "HS256 with the public key": lambda m: m.by_hand({"alg": "HS256"}, public_bytes(m)),
    "another audience": lambda m: m.made(aud="somebody"),
    "no expiry": lambda m: m.made(without="exp"),
    "expired": lambda m: m.made(exp=int(time.time()) - 120),
    "unknown kid": lambda m: m.made(header={"kid": "other"}),
    "a jku of its own": lambda m: m.made(key=THEIRS, header={"jku": "https://evil.example/jwks", "kid": "evil"}),
    "another issuer": lambda m: m.made(iss="somebody"),
    "signed by another key": lambda m: m.made(key=THEIRS),
    "another session": lambda m: m.made(sid="0" * 32),
    "the session of somebody else": lambda m: m.made(sub="somebody"),
    "a session that is no text": lambda m: m.made(sid={"$ne": None}),
    "an identity token": lambda m: m.made(header={"typ": "JWT"}),
}


@pytest.fixture(scope="module")
async def mint(installation: Installation) -> Mint:
    person = await add_person(installation, "PATIENT")
    tokens = await installation.app.state.logins.open_login(
        person.id, client="web", scope="user/*.rs", authenticated_at=time.time()
    )
    return Mint(installation, tokens.access_token)


async def ask(installation: Installation, token: str) -> Any:
    return await installation.http.get("/fhir/Organization/none", headers={"authorization": f"Bearer {token}"})


async def test_the_good_one_is_good(installation: Installation, mint: Mint) -> None:
    await installation.parts.signatures.start()
    assert (await ask(installation, mint.made())).status_code == 404


@pytest.mark.parametrize("forgery", FORGED)
async def test_a_forged_token_is_an_invalid_token(installation: Installation, mint: Mint, forgery: str) -> None:
    made = FORGED[forgery](mint)
    answer = await ask(installation, made)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert made[20:60] not in answer.text
    entry = await installation.last_entry()
    assert (entry["status"], entry["subject"]) == (401, "anonymous")


async def test_without_a_token_there_is_no_error_to_name(installation: Installation) -> None:
    answer = await installation.http.get("/fhir/Organization/none")
    assert answer.headers["www-authenticate"] == 'Bearer realm="chartvault"'
