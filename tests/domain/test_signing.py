"""Which keys sign and which are believed: `domain/signing.py`"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.signing import BELIEVED_AFTER, RENEWED_AFTER, KeyRow, believed, next_number, signing_now

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def key(number: int, since: timedelta, *, revoked: bool = False) -> KeyRow:
    return KeyRow(
        use="access",
        number=number,
        id=f"k{number}",
        algorithm="EdDSA",
        private=b"secret",
        since=NOW + since,
        revoked=NOW if revoked else None,
    )


OLD, NEXT = key(1, timedelta(days=-91)), key(2, timedelta(minutes=5))


def test_a_new_key_is_believed_before_it_signs() -> None:
    assert [each.number for each in believed([OLD, NEXT], NOW)] == [2, 1]
    assert signing_now([OLD, NEXT], "access", NOW) == OLD
    assert signing_now([OLD, NEXT], "access", NEXT.since) == NEXT


def test_an_old_key_is_believed_until_nothing_it_signed_is_in_use() -> None:
    end = NEXT.since + BELIEVED_AFTER
    assert OLD in believed([OLD, NEXT], end - timedelta(seconds=1))
    assert OLD not in believed([OLD, NEXT], end)


def test_a_revoked_key_is_not_believed_and_replaced_at_once() -> None:
    revoked = key(1, timedelta(days=-1), revoked=True)
    assert believed([revoked], NOW) == []
    assert signing_now([revoked], "access", NOW) is None
    assert next_number([revoked], "access", NOW) == 2


@pytest.mark.parametrize(("age", "expected"), [(RENEWED_AFTER, 2), (RENEWED_AFTER - timedelta(seconds=1), None)])
def test_a_key_is_followed_by_another_after_ninety_days(age: timedelta, expected: int | None) -> None:
    assert next_number([key(1, -age)], "access", NOW) == expected


def test_the_first_key_of_a_use_has_number_one() -> None:
    assert next_number([OLD], "id", NOW) == 1


def test_nothing_printed_shows_the_private_key() -> None:
    assert "secret" not in repr(OLD)
