"""Base64 in pieces must be base64 as a whole."""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import AsyncIterator

import pytest

from domain.documents.base64_data import decoded, digest_of, encoded
from domain.errors import InvalidContent


async def pieces(content: bytes, sizes: random.Random) -> AsyncIterator[bytes]:
    while content:
        size = sizes.randrange(1, 100_000)
        yield content[:size]
        content = content[size:]


async def joined(data: str) -> bytes:
    return b"".join([piece async for piece in decoded(data, "Binary.data")])


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 1_000, 786_431, 786_432, 1_000_003])
async def test_any_document_survives_in_pieces(size: int) -> None:
    chance = random.Random(size)
    content = chance.randbytes(size)
    text = await encoded(pieces(content, chance))
    assert text == base64.b64encode(content).decode()
    assert await joined(text) == content
    assert await joined("\n".join(text[at : at + 76] for at in range(0, len(text), 76))) == content


@pytest.mark.parametrize("data", ["***", "AAA", "A===", "AA==AA==", "AAAA*", "=AAA"])
async def test_what_is_no_base64_is_refused(data: str) -> None:
    with pytest.raises(InvalidContent):
        await joined(data)


def test_a_hash_is_understood_in_the_forms_senders_use() -> None:
    digest = hashlib.sha1(b"x")
    for text in (
        base64.b64encode(digest.digest()).decode(),
        digest.hexdigest(),
        base64.b64encode(digest.hexdigest().encode()).decode(),
    ):
        assert digest_of(text, "x") == digest.digest()
    for text in ("AAAA", "", "no", base64.b64encode(hashlib.sha256(b"x").digest()).decode()):
        with pytest.raises(InvalidContent):
            digest_of(text, "x")
