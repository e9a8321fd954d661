"""Names of public keys that follow from the keys: https://www.rfc-editor.org/rfc/rfc7638"""

from __future__ import annotations

import base64
import hashlib

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def thumbprint(key: Ed25519PublicKey | RSAPublicKey) -> str:
    """The SHA-256 thumbprint of the key's JWK, in base64url."""
    return base64url(hashlib.sha256(msgspec.json.encode(_members(key))).digest())


def base64url(data: bytes) -> str:
    """Without padding: https://www.rfc-editor.org/rfc/rfc7515#appendix-C"""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _members(key: Ed25519PublicKey | RSAPublicKey) -> dict[str, str]:
    """The required members in the order of their names, which the thumbprint depends on."""
    if isinstance(key, Ed25519PublicKey):
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {"crv": "Ed25519", "kty": "OKP", "x": base64url(raw)}
    numbers = key.public_numbers()
    return {"e": _integer(numbers.e), "kty": "RSA", "n": _integer(numbers.n)}


def _integer(value: int) -> str:
    return base64url(value.to_bytes((value.bit_length() + 7) // 8))
