"""Sealing as properties: what was sealed opens in its place, and nothing else opens anywhere."""

from __future__ import annotations

import os
import pickle
import threading

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import IntegrityFailure
from storage.crypto import sealing
from storage.crypto.sealing import SealingKey, open_sealed, place, seal

HERE = place("Patient/123/4")
KEY = SealingKey("Patient/123#1", bytes(range(32)))
OTHER = SealingKey("Patient/123#1", bytes(32))
TEXT = b'{"resourceType":"Patient","id":"123","name":[{"family":"Chalmers"}]}' * 20


@given(st.binary(max_size=5000))
def test_what_is_sealed_opens_unchanged(plaintext: bytes) -> None:
    assert open_sealed(KEY, HERE, seal(KEY, HERE, plaintext)) == plaintext


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 5_000_000])
def test_every_size_opens(size: int) -> None:
    for plaintext in (b"x" * size, os.urandom(size)):
        assert open_sealed(KEY, HERE, seal(KEY, HERE, plaintext)) == plaintext


def test_sealing_twice_gives_fresh_nonces() -> None:
    nonces = {seal(KEY, HERE, TEXT)[1:13] for _ in range(1000)}
    assert len(nonces) == 1000


def test_content_is_compressed_before_it_is_sealed_and_not_readable() -> None:
    sealed = seal(KEY, HERE, TEXT)
    assert len(sealed) < len(TEXT) / 2
    assert b"Chalmers" not in sealed


def test_what_does_not_compress_grows_by_the_overhead_only() -> None:
    noise = os.urandom(500)
    assert len(seal(KEY, HERE, noise)) == len(noise) + sealing.OVERHEAD


@pytest.mark.parametrize("plaintext", [b"", b"short", TEXT[:300]])
def test_every_flipped_bit_is_refused(plaintext: bytes) -> None:
    sealed = seal(KEY, HERE, plaintext)
    for position in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(IntegrityFailure):
            open_sealed(KEY, HERE, bytes(changed))


def test_every_cut_and_every_extension_is_refused() -> None:
    sealed = seal(KEY, HERE, TEXT)
    for length in range(len(sealed)):
        with pytest.raises(IntegrityFailure):
            open_sealed(KEY, HERE, sealed[:length])
    with pytest.raises(IntegrityFailure):
        open_sealed(KEY, HERE, sealed + b"\0")


@pytest.mark.parametrize("other", ["Patient/123/5", "Patient/124/4", "Observation/123/4", "audit/123/query", ""])
def test_another_place_is_refused(other: str) -> None:
    with pytest.raises(IntegrityFailure):
        open_sealed(KEY, place(other), seal(KEY, HERE, TEXT))


def test_another_key_of_the_same_name_is_refused() -> None:
    with pytest.raises(IntegrityFailure):
        open_sealed(OTHER, HERE, seal(KEY, HERE, TEXT))


@pytest.mark.parametrize("version", [0, 2, 255])
def test_an_unknown_format_version_is_refused(version: int) -> None:
    with pytest.raises(IntegrityFailure):
        open_sealed(KEY, HERE, bytes([version]) + seal(KEY, HERE, TEXT)[1:])


def sealed_body(body: bytes) -> bytes:
    """A value that authenticates but whose body is not one `seal` writes."""
    nonce = os.urandom(12)
    return sealing.VERSION + nonce + KEY.aead.encrypt(nonce, body, HERE.encode())


def test_a_decompression_bomb_is_refused_before_it_unfolds() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(sealing.MAX_OPENED + 1))
    with pytest.raises(IntegrityFailure):
        open_sealed(KEY, HERE, sealed_body(sealing.COMPRESSED + bomb))


@pytest.mark.parametrize("body", [b"", b"\x02abc", b"\x01not zstd", b"\x01"])
def test_a_body_that_is_none_of_ours_is_refused(body: bytes) -> None:
    with pytest.raises(IntegrityFailure):
        open_sealed(KEY, HERE, sealed_body(body))


def test_a_frame_without_a_stated_size_is_refused() -> None:
    frame = zstandard.ZstdCompressor(write_content_size=False).compress(TEXT)
    with pytest.raises(IntegrityFailure):
        open_sealed(KEY, HERE, sealed_body(sealing.COMPRESSED + frame))


def test_a_key_shows_its_id_and_nothing_else() -> None:
    secret = os.urandom(32)
    key = SealingKey("Patient/1#1", secret)
    assert repr(key) == str(key) == f"{key}" == "SealingKey(Patient/1#1)"
    assert not any(isinstance(getattr(key, name), bytes) for name in key.__slots__)
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_a_failure_says_nothing_of_key_or_content() -> None:
    with pytest.raises(IntegrityFailure) as caught:
        open_sealed(OTHER, HERE, seal(KEY, HERE, TEXT))
    assert "Chalmers" not in str(caught.value)
    assert "123" not in str(caught.value)


def test_a_key_of_the_wrong_size_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        SealingKey("x#1", b"short")


def test_threads_may_seal_and_open_at_once() -> None:
    wrong: list[int] = []

    def work(number: int) -> None:
        text = f"{number}".encode() * 3000
        wrong.extend(number for _ in range(100) if open_sealed(KEY, HERE, seal(KEY, HERE, text)) != text)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
