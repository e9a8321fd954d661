"""Tokens as properties: equal values match, everything else does not, and nothing can be read from them."""

from __future__ import annotations

import hashlib
import os

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from storage.crypto.blind_index import TOKEN_BYTES, TokenMaker

SECRET = bytes(range(32))
MAKER = TokenMaker(SECRET)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(st.sampled_from(["Patient", "Observation", "Encounter"]), st.lists(words, max_size=5))
def test_a_token_is_keyed_blake2b_under_the_derived_key(resource_type: str, terms: list[str]) -> None:
    key = HKDF(SHA256(), 64, salt=None, info=b"chartvault/index/1").derive(SECRET)
    expected = [
        hashlib.blake2b(f"{resource_type}|{t}".encode(), key=key, digest_size=TOKEN_BYTES).digest() for t in terms
    ]
    assert MAKER.tokens(resource_type, terms) == expected


def test_equal_terms_of_one_type_have_equal_tokens() -> None:
    assert MAKER.tokens("Patient", ["name|word|ann"]) == TokenMaker(SECRET).tokens("Patient", ["name|word|ann"])


def test_type_term_secret_and_epoch_each_change_the_token() -> None:
    makers = [MAKER, TokenMaker(os.urandom(32)), TokenMaker(SECRET, epoch=2)]
    tokens = {m.tokens(t, [term])[0] for m in makers for t in ("Patient", "Person") for term in ("a|b|c", "a|b|d")}
    assert len(tokens) == 12


def test_tokens_keep_the_order_and_number_of_terms() -> None:
    one, two = MAKER.tokens("Patient", ["a|b|1"])[0], MAKER.tokens("Patient", ["a|b|2"])[0]
    assert MAKER.tokens("Patient", iter(["a|b|2", "a|b|1", "a|b|2"])) == [two, one, two]
    assert MAKER.tokens("Patient", []) == []


def test_many_types_do_not_grow_without_bound() -> None:
    maker = TokenMaker(SECRET)
    for number in range(1500):
        assert len(maker.tokens(f"T{number}", ["x"])[0]) == TOKEN_BYTES
    assert len(maker._types) == 1000


def test_a_maker_shows_nothing() -> None:
    assert repr(MAKER) == "TokenMaker(…)"
