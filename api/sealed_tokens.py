"""Opaque tokens that carry their own state: encrypted, for one subject and one place, expiring.

Page links and cursors are made of them. Nothing is kept on the server, and nothing can be read from, or changed in, a token.
One that was altered, or is somebody else's, is 400, an expired one 410, never another result.
"""

from __future__ import annotations

import base64
import os
import time

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import Gone, InvalidRequest

LIFETIME_SECONDS = 3600
_NONCE, _EXPIRES = 12, 5


class SealedTokens:
    """Writes and reads tokens of one kind with one secret of 32 bytes, shared by all processes."""

    def __init__(self, secret: bytes, kind: str) -> None:
        self._cipher = AESGCM(secret)
        self._kind = kind

    def __repr__(self) -> str:
        return f"SealedTokens({self._kind})"

    def write(self, state: bytes, *, place: str, subject: str) -> str:
        """The token of `state`, usable by `subject` at `place` for an hour."""
        nonce = os.urandom(_NONCE)
        plain = (int(time.time()) + LIFETIME_SECONDS).to_bytes(_EXPIRES, "big", signed=True) + state
        sealed = nonce + self._cipher.encrypt(nonce, plain, self._bound(place, subject))
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def read(self, token: str, *, place: str, subject: str) -> bytes:
        """The state of a token. Raises `InvalidRequest` for anything not written for this place and subject, `Gone`."""
        try:
            sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            plain = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], self._bound(place, subject))
        except (ValueError, InvalidTag):
            raise self.foreign() from None
        if int.from_bytes(plain[:_EXPIRES], "big", signed=True) < time.time():
            raise Gone(f"This {self._kind} has expired; start again from the beginning")
        return plain[_EXPIRES:]

    def foreign(self) -> InvalidRequest:
        """The failure of a token that is none of ours, or not for this request."""
        return InvalidRequest(f"This {self._kind} was not written by this server for this request", code="value")

    def _bound(self, place: str, subject: str) -> bytes:
        return f"chartvault/{self._kind}/1|{len(subject)}|{subject}|{place}".encode()
