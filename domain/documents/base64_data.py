"""Documents that stand in JSON as base64, read and written piece by piece: https://www.rfc-editor.org/rfc/rfc4648

A document of 10 MB is decoded 192 KiB at a time, so that beside the body it came in nothing of its size is ever held.
"""

from __future__ import annotations

import binascii
from collections.abc import AsyncIterator

from domain.errors import InvalidContent

_PIECE = 256 * 1024
_WHITE = str.maketrans("", "", " \t\r\n")


async def decoded(data: str, expression: str) -> AsyncIterator[bytes]:
    """The bytes that `data` stands for. Raises `InvalidContent` when it is not base64."""
    rest = ""
    for start in range(0, len(data), _PIECE):
        text = rest + data[start : start + _PIECE].translate(_WHITE)
        whole = len(text) // 4 * 4
        rest = text[whole:]
        if whole:
            try:
                yield binascii.a2b_base64(text[:whole], strict_mode=True)
            except binascii.Error:
                raise InvalidContent("This is not base64", code="value", expression=expression) from None
    if rest:
        raise InvalidContent("This is not base64", code="value", expression=expression)


async def encoded(content: AsyncIterator[bytes]) -> str:
    """The base64 of a stream."""
    pieces: list[str] = []
    rest = b""
    async for piece in content:
        text = rest + piece
        whole = len(text) // 3 * 3
        rest = text[whole:]
        pieces.append(binascii.b2a_base64(text[:whole], newline=False).decode())
    pieces.append(binascii.b2a_base64(rest, newline=False).decode())
    return "".join(pieces)


def digest_of(text: str, expression: str) -> bytes:
    """A hash that an Attachment states. Raises `InvalidContent` unless it is a SHA-1 in base64.

    https://hl7.org/fhir/R4/datatypes-definitions.html#Attachment.hash. Senders also write it in hexadecimal, or the
    hexadecimal in base64 (an old reading of IHE MHD); both are understood.
    """
    try:
        raw = binascii.a2b_base64(text.encode(), strict_mode=True)
        if len(raw) == 40:
            raw = bytes.fromhex(raw.decode())
        elif len(raw) == 30 and len(text) == 40:
            raw = bytes.fromhex(text)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 20:
        raise InvalidContent("The hash is a SHA-1 in base64", code="value", expression=expression)
    return raw
