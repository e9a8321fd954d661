"""Refresh tokens: opaque to clients, recognisable to us, stored only as a hash.

A token is `session (16) | secret (32) | tag (16)` in base64url: 256 random bits, the session so that one look-up finds it,
and a keyed tag that only this installation can make. The tag tells a token that was ours and has been used (its family dies)
from one that somebody made up (nothing happens), without keeping a list of used tokens. Stored is the SHA-256 of the newest
token of a session alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import NamedTuple

from storage.crypto.service_keys import ServiceKeys

_ID, _SECRET, _TAG = 16, 32, 16
_CHARACTERS = 86  # of 64 bytes in base64url without padding


class RefreshToken(NamedTuple):
    """A refresh token of ours, used or not."""

    session: str
    text: str

    def __repr__(self) -> str:
        return f"RefreshToken({self.session})"

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.text.encode()).digest()


def new_refresh_token(service: ServiceKeys, session: str) -> RefreshToken:
    """A token nobody can guess."""
    return _made(service, session, secrets.token_bytes(_SECRET))


def next_refresh_token(service: ServiceKeys, used: RefreshToken, retry: str) -> RefreshToken:
    """The token that follows `used` for an attempt of this name: the same for the same attempt, for nobody to foresee."""
    name = f"{used.text}|{retry}"
    secret = service.name_hash("refresh-next-1", name) + service.name_hash("refresh-next-2", name)
    return _made(service, used.session, secret)


def read_refresh_token(service: ServiceKeys, text: str) -> RefreshToken | None:
    """The token in `text`, or `None` when this installation never gave it to anybody."""
    if len(text) != _CHARACTERS:
        return None
    try:
        raw = base64.urlsafe_b64decode(text + "==")
    except (binascii.Error, ValueError):
        return None
    body, tag = raw[:-_TAG], raw[-_TAG:]
    # Decoding drops what is no base64url, and several texts can stand for the same bytes: only the one we made counts.
    if not hmac.compare_digest(tag, _tag(service, body)) or _text(raw) != text:
        return None
    return RefreshToken(body[:_ID].hex(), text)


def _made(service: ServiceKeys, session: str, secret: bytes) -> RefreshToken:
    body = bytes.fromhex(session) + secret
    return RefreshToken(session, _text(body + _tag(service, body)))


def _tag(service: ServiceKeys, body: bytes) -> bytes:
    return service.name_hash("refresh", body.hex())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
