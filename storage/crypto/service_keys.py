"""The service's own secrets: one per purpose, wrapped in `index_keys`, loaded once at start.

    index    blind index tokens (`blind_index.py`)
    link     opaque paging links
    name     names of claims and idempotency keys, which may quote a search
    audit    heads of the audit chains
    signing  Ed25519, signs the tombstones of erased patients
    wrapping wraps the keys of patients, directory and audit (`key_wrapping.py`)

Purposes never share a secret, so that one can be replaced without touching what the others protect.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from domain.errors import IntegrityFailure
from storage.crypto.blind_index import TokenMaker
from storage.crypto.wrapped_keys import WrappedKeys

PURPOSES = ("index", "link", "name", "audit", "signing", "wrapping")


class ServiceKeys:
    """Tokens, links, names, chain heads and signatures, each under its own secret."""

    def __init__(self, stored: WrappedKeys, secrets: Mapping[str, bytes]) -> None:
        self.stored = stored
        self.tokens = TokenMaker(secrets["index"])
        self.link_secret = secrets["link"]
        self._name_secret = secrets["name"]
        self._audit_secret = secrets["audit"]
        self._signing = Ed25519PrivateKey.from_private_bytes(secrets["signing"])

    def __repr__(self) -> str:
        return "ServiceKeys(…)"

    @classmethod
    async def start(cls, stored: WrappedKeys) -> ServiceKeys:
        """Load the secrets, each made on first use. Raises `IntegrityFailure` when one cannot be unwrapped."""
        await stored.create(PURPOSES)
        secrets: dict[str, bytes] = {}
        for purpose in PURPOSES:
            newest = (await stored.secrets(purpose) or [None])[-1]
            if newest is None:
                raise IntegrityFailure(f"The service's {purpose} key cannot be unwrapped: wrong master key or vault")
            secrets[purpose] = newest
        return cls(stored, secrets)

    def name_hash(self, kind: str, name: str) -> bytes:
        """The stored form of a name that may hold plaintext (16 bytes); `kind` keeps claims and receipts apart."""
        return hmac.digest(self._name_secret, f"{kind}|{name}".encode(), hashlib.sha256)[:16]

    def authenticate(self, message: bytes) -> bytes:
        """A MAC (32 bytes) over the head of an audit chain: who holds no key cannot cut a chain and sign the rest."""
        return hmac.digest(self._audit_secret, message, hashlib.sha256)

    def is_authentic(self, message: bytes, mac: bytes) -> bool:
        return hmac.compare_digest(self.authenticate(message), mac)

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature (64 bytes)."""
        return self._signing.sign(message)

    def is_signed(self, message: bytes, signature: bytes) -> bool:
        try:
            self._signing.public_key().verify(signature, message)
        except InvalidSignature:
            return False
        return True

    @property
    def public_key(self) -> bytes:
        """The raw Ed25519 public key (32 bytes), for those who check tombstones elsewhere."""
        return self._signing.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
