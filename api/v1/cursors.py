"""Cursors of lists: opaque, encrypted, stateless, bound to one caller and one list, expiring.

Nothing is kept on the server, and nothing can be read from, or changed in, a cursor. One that is altered or somebody
else's is 400, an expired one 410.
"""

from __future__ import annotations

import base64
import os
import time

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import Gone, InvalidRequest

LIFETIME_SECONDS = 3600


class Cursors:
    """Writes and reads cursors with one secret of 32 bytes, shared by all processes."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(secret)

    def __repr__(self) -> str:
        return "Cursors(…)"

    def write(self, after: str, *, of: str, subject: str) -> str:
        """The cursor that goes on after `after` in the list `of` (its path and filters), for `subject`."""
        nonce = os.urandom(12)
        plain = msgspec.msgpack.encode((int(time.time()) + LIFETIME_SECONDS, after))
        sealed = nonce + self._cipher.encrypt(nonce, plain, _context(of, subject))
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def read(self, cursor: str | None, *, of: str, subject: str) -> str:
        """Where the list goes on; the beginning without a cursor. Raises `InvalidRequest` and `Gone`."""
        if cursor is None:
            return ""
        try:
            sealed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            plain = self._cipher.decrypt(sealed[:12], sealed[12:], _context(of, subject))
            expires, after = msgspec.msgpack.decode(plain, type=tuple[int, str])
        except (ValueError, InvalidTag, msgspec.MsgspecError):
            raise InvalidRequest("This cursor was not made for this list", code="value", expression="?cursor") from None
        if expires < time.time():
            raise Gone("This cursor has expired; start the list again")
        return after


def _context(of: str, subject: str) -> bytes:
    return f"chartvault/cursor/1|{subject}|{of}".encode()
