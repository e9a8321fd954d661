"""Which passwords are taken: https://pages.nist.gov/800-63-4/sp800-63b.html#passwordver"""

from __future__ import annotations

import pytest

from domain.accounts.password_rules import LEAST_ALONE, LEAST_WITH_SECOND_FACTOR, require_fit
from domain.errors import InvalidFields

KNOWN = ("jim.chalmers@erewhon.example", "Jim", "Chalmers")


@pytest.mark.parametrize(
    "password",
    [
        "a sentence nobody else has",
        "dragon cookie thunder",  # three words and more are a passphrase
        "zw7q" * 3 + "vmpt",
        "mittwochs regnet es oft",
        "\u6628\u65e5\u306f\u96e8\u304c\u964d\u3063\u3066\u3044\u307e\u3057\u305f\u304c\u4eca\u65e5\u306f",
        "          spaces count too",
        "0492 8817 3350 1276",
        "q" + "wlkjf poiq " * 90,
    ],
)
def test_a_long_password_of_any_kind_is_taken(password: str) -> None:
    require_fit(password, least=LEAST_ALONE, known=KNOWN)


@pytest.mark.parametrize(
    "password",
    [
        "fourteen chars",
        "",
        "aaaaaaaaaaaaaaaaaaaa",
        "abcabcabcabcabcabc",
        "123456789012345678",
        "abcdefghijklmnopqrst",
        "qwertyuiopasdfghjkl",
        "passwordpassword",
        "Correct Horse Battery Staple",
        "Password1234567!!",
        "P4ssw0rd!P4ssw0rd!",
        "chartvaultchartvault",
        "Jim.Chalmers@Erewhon",
        "ChalmersChalmers1",
        "jimchalmersjimchalmers",
        "q" * 2000,
    ],
)
def test_a_password_somebody_would_try_first_is_refused(password: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        require_fit(password, least=LEAST_ALONE, known=KNOWN)
    assert refused.value.reason == "weak_password"
    assert password not in refused.value.message or not password


def test_beside_a_second_factor_eight_characters_are_enough() -> None:
    require_fit("mx7 q2ab", least=LEAST_WITH_SECOND_FACTOR, known=KNOWN)
    with pytest.raises(InvalidFields):
        require_fit("password", least=LEAST_WITH_SECOND_FACTOR, known=KNOWN)


def test_length_is_counted_after_normalisation() -> None:
    """Seven letters with combining marks are seven characters, not fourteen."""
    with pytest.raises(InvalidFields):
        require_fit("u\u0308o\u0308a\u0308e\u0301i\u0301y\u0308n\u0303", least=8)
