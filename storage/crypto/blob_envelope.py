"""Streaming seal and open of documents: Cobblestone-256, https://c2sp.org/chunked-encryption

    object  = salt (24) | commitment (32) | chunks of 16 KiB + 16, the last one shorter
    wrapped = 0x21 | sealed(patient's key, the blob's own key, place = "blobs/<id>/key")
    context = "chartvault/blob/1|<id>"

Each blob has a random key of its own; the commitment binds the object to that key and to its id, so another blob's object
is refused before anything of it is opened. Chunks are numbered and the last is short: none can be moved, repeated, left out
or added. A range touches only its chunks, which is what the small reader here is for; sealing is the library's. The size of
the content comes from the sealed record, so a cut or longer object is refused by its size alone.

NOTE: stored for ever. What 0x21 means may never change; a new form of object or context gets a new mark.
"""

from __future__ import annotations

import hmac
from typing import NamedTuple

from cryptography.cobblestone import Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from domain.errors import IntegrityFailure
from storage.crypto.sealing import SealingKey, open_sealed, place, seal

CHUNK = 16_384
_TAG, _SALT, _COMMITMENT, _NONCE, _KEY = 16, 24, 32, 12, 32
HEADER = _SALT + _COMMITMENT
_INFO = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"
_MARK = b"\x21"


class BlobKey:
    """The key of one blob. The secret cannot be read back, printed or pickled."""

    __slots__ = ("_secret", "blob_id")

    def __init__(self, blob_id: str, secret: bytes | None = None) -> None:
        self.blob_id = blob_id
        self._secret = secret or Cobblestone256Encryptor.generate_key()

    def __repr__(self) -> str:
        return f"BlobKey({self.blob_id})"

    def __reduce__(self) -> str:
        raise TypeError("a blob's key does not leave its process")

    def wrapped(self, under: SealingKey) -> bytes:
        """The form in which the record keeps it."""
        return _MARK + seal(under, _place(self.blob_id), self._secret)

    def sealer(self) -> Cobblestone256Encryptor:
        """Seals one content: `update` as often as wanted, then `finalize` once; the outputs are the object."""
        return Cobblestone256Encryptor(self._secret, _context(self.blob_id))

    def opener(self, header: bytes) -> BlobOpener:
        """Opens chunks of the object that starts with `header` (its first `HEADER` bytes).

        Raises `IntegrityFailure` when the object was not sealed with this key for this blob.
        """
        salt, commitment = header[:_SALT], header[_SALT:HEADER]
        info = _INFO + salt + _context(self.blob_id)
        derived = HKDFExpand(SHA512(), _KEY + _NONCE + _COMMITMENT, info).derive(self._secret)
        if not hmac.compare_digest(derived[_KEY + _NONCE :], commitment):
            raise IntegrityFailure(f"The object of blob {self.blob_id} is another one, or its head was altered")
        return BlobOpener(self.blob_id, AESGCM(derived[:_KEY]), int.from_bytes(derived[_KEY : _KEY + _NONCE]))


class BlobOpener:
    """Opens the chunks of one object."""

    __slots__ = ("_aead", "_base", "_blob_id")

    def __init__(self, blob_id: str, aead: AESGCM, base: int) -> None:
        self._blob_id = blob_id
        self._aead = aead
        self._base = base

    def __repr__(self) -> str:
        return f"BlobOpener({self._blob_id})"

    def open(self, first: int, chunks: bytes | memoryview) -> bytes:
        """The content of consecutive whole sealed chunks, of which the first has the number `first`.

        Raises `IntegrityFailure` for a changed bit, a cut, or chunks of another place.
        """
        whole, view, opened = CHUNK + _TAG, memoryview(chunks), []
        try:
            for number, start in enumerate(range(0, len(view), whole), first):
                nonce = (self._base ^ number).to_bytes(_NONCE)
                opened.append(self._aead.decrypt(nonce, view[start : start + whole], None))
        except InvalidTag:
            raise IntegrityFailure(f"The object of blob {self._blob_id} was altered") from None
        return b"".join(opened)


class Window(NamedTuple):
    """Where consecutive chunks lie in the object: bytes `start` to `end`, the first chunk has the number `first`."""

    first: int
    start: int
    end: int


def unwrapped(blob_id: str, wrapped: bytes, under: SealingKey) -> BlobKey:
    """The key of a blob from its record. Raises `IntegrityFailure` for any other value, another blob's included."""
    if wrapped[:1] != _MARK:
        raise IntegrityFailure(f"The key of blob {blob_id} is not one")
    return BlobKey(blob_id, open_sealed(under, _place(blob_id), wrapped[1:]))


def object_size(size: int) -> int:
    """How large the object of a content of `size` bytes is: about 0.1 % larger."""
    return HEADER + size + _TAG * (size // CHUNK + 1)


def window(start: int, end: int, size: int) -> Window:
    """The chunks that hold the bytes `start` to `end` of a content of `size` bytes; an empty range has one chunk.

    Whoever reads to the end gets the last chunk too, which is empty when `size` is a multiple of `CHUNK`.
    """
    first, last = start // CHUNK, (size if end >= size else max(start, end - 1)) // CHUNK
    return Window(first, HEADER + first * (CHUNK + _TAG), min(object_size(size), HEADER + (last + 1) * (CHUNK + _TAG)))


def _context(blob_id: str) -> bytes:
    return f"chartvault/blob/1|{blob_id}".encode()


def _place(blob_id: str) -> str:
    return place(f"blobs/{blob_id}/key")
