"""Sealed documents: what opens, and everything that must not. https://c2sp.org/chunked-encryption"""

from __future__ import annotations

import os
import pickle

import pytest
from cryptography.cobblestone import Cobblestone256Decryptor
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import IntegrityFailure
from storage.crypto.blob_envelope import CHUNK, HEADER, BlobKey, object_size, unwrapped, window
from storage.crypto.sealing import SealingKey

SECRET = bytes(range(32))
PATIENT = SealingKey("Patient/1#1", os.urandom(32))
SIZES = (0, 1, 15, 16, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 5)
CONTENT = os.urandom(3 * CHUNK + 5)


def sealed(content: bytes, blob_id: str = "b1", secret: bytes = SECRET) -> bytes:
    sealer = BlobKey(blob_id, secret).sealer()
    return sealer.update(content) + sealer.finalize()


def opened(stored: bytes, start: int, end: int, size: int, blob_id: str = "b1", secret: bytes = SECRET) -> bytes:
    """What a range reader gives: only the bytes of the window are looked at."""
    opener = BlobKey(blob_id, secret).opener(stored[:HEADER])
    wanted = window(start, end, size)
    part = opener.open(wanted.first, stored[wanted.start : wanted.end])
    offset = start - wanted.first * CHUNK
    return part[offset : offset + end - start]


@pytest.mark.parametrize("size", SIZES)
def test_what_was_sealed_opens_and_has_the_size_that_was_foretold(size: int) -> None:
    stored = sealed(CONTENT[:size])
    assert len(stored) == object_size(size)
    assert opened(stored, 0, size, size) == CONTENT[:size]


@pytest.mark.parametrize("size", SIZES)
def test_the_object_is_one_that_any_implementation_of_the_specification_opens(size: int) -> None:
    library = Cobblestone256Decryptor(SECRET, b"chartvault/blob/1|b1")
    assert library.update(sealed(CONTENT[:size])) + library.finalize() == CONTENT[:size]


@given(st.integers(0, len(CONTENT)), st.integers(0, len(CONTENT)))
def test_any_range_opens_to_its_bytes(one: int, other: int) -> None:
    start, end = min(one, other), max(one, other)
    assert opened(STORED, start, end, len(CONTENT)) == CONTENT[start:end]


STORED = sealed(CONTENT)


def test_a_range_touches_only_its_chunks() -> None:
    wanted = window(CHUNK + 1, 2 * CHUNK, len(CONTENT))
    assert wanted.first == 1
    assert wanted.end - wanted.start == CHUNK + 16


def test_every_sealing_gives_other_bytes() -> None:
    assert sealed(b"same")[:HEADER] != sealed(b"same")[:HEADER]


@pytest.mark.parametrize("position", [0, 23, 24, HEADER - 1, HEADER, HEADER + CHUNK + 16, len(STORED) - 1])
def test_a_flipped_bit_is_refused(position: int) -> None:
    altered = bytearray(STORED)
    altered[position] ^= 1
    with pytest.raises(IntegrityFailure):
        opened(bytes(altered), 0, len(CONTENT), len(CONTENT))


def test_chunks_in_another_order_or_number_are_refused() -> None:
    whole = CHUNK + 16
    head, chunks = STORED[:HEADER], [STORED[at : at + whole] for at in range(HEADER, len(STORED), whole)]
    for order in ([1, 0, 2, 3], [0, 0, 2, 3], [1, 2, 3]):
        with pytest.raises(IntegrityFailure):
            opened(head + b"".join(chunks[n] for n in order), 0, len(CONTENT), len(CONTENT))


def test_a_cut_object_is_refused_where_it_was_cut() -> None:
    with pytest.raises(IntegrityFailure):
        opened(STORED[:-1], 0, len(CONTENT), len(CONTENT))


def test_another_key_and_another_blob_are_refused_before_anything_is_opened() -> None:
    with pytest.raises(IntegrityFailure, match="another one"):
        BlobKey("b1", os.urandom(32)).opener(STORED[:HEADER])
    with pytest.raises(IntegrityFailure, match="another one"):
        BlobKey("b2", SECRET).opener(STORED[:HEADER])
    with pytest.raises(IntegrityFailure):
        BlobKey("b1", SECRET).opener(STORED[:10])


def test_a_wrapped_key_opens_only_for_its_blob_and_under_its_patients_key() -> None:
    wrapped = BlobKey("b1", SECRET).wrapped(PATIENT)
    assert SECRET not in wrapped
    opener = unwrapped("b1", wrapped, PATIENT).opener(STORED[:HEADER])
    assert opener.open(0, STORED[HEADER : HEADER + CHUNK + 16]) == CONTENT[:CHUNK]
    for blob_id, value, key in (
        ("b2", wrapped, PATIENT),
        ("b1", wrapped, SealingKey("Patient/2#1", os.urandom(32))),
        ("b1", b"\x22" + wrapped[1:], PATIENT),
        ("b1", b"", PATIENT),
        ("b1", wrapped[:-1] + bytes([wrapped[-1] ^ 1]), PATIENT),
    ):
        with pytest.raises(IntegrityFailure):
            unwrapped(blob_id, value, key)


def test_a_blobs_key_is_random_and_shows_nowhere() -> None:
    assert BlobKey("b1").wrapped(PATIENT) != BlobKey("b1").wrapped(PATIENT)
    one, two = BlobKey("b1").sealer().finalize(), BlobKey("b1").opener
    with pytest.raises(IntegrityFailure):
        two(one[:HEADER])
    assert repr(BlobKey("b1", SECRET)) == "BlobKey(b1)"
    assert repr(BlobKey("b1", SECRET).opener(STORED[:HEADER])) == "BlobOpener(b1)"
    with pytest.raises(TypeError):
        pickle.dumps(BlobKey("b1", SECRET))


def test_the_library_refuses_what_we_refuse() -> None:
    library = Cobblestone256Decryptor(SECRET, b"chartvault/blob/1|b2")
    with pytest.raises(InvalidTag):
        library.update(STORED)
