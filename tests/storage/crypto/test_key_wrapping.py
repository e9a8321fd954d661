"""The level between vault and patient keys: bound to its place, renewed, and useless without what is above it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pytest

from domain.errors import IntegrityFailure, Unavailable
from storage.crypto.key_wrapping import NEWEST_SECONDS, KeyWrapping

SECRET = bytes(range(32))


class Above:
    """What `index_keys` holds of the wrapping key, and how often it was asked."""

    def __init__(self, *secrets: bytes | None) -> None:
        self.secrets_now: Sequence[bytes | None] = secrets
        self.asked = 0
        self.refuses = False

    async def secrets(self, purpose: str) -> Sequence[bytes | None]:
        assert purpose == "wrapping"
        self.asked += 1
        if self.refuses:
            raise Unavailable("The master key cannot be used")
        return self.secrets_now


def wrapping(above: Any, clock: Any = lambda: 0.0) -> KeyWrapping:
    return KeyWrapping(above, clock)


async def test_a_secret_comes_back_for_the_key_it_was_wrapped_for_only() -> None:
    keys = wrapping(Above(os.urandom(32)))
    (wrapped,) = await keys.wrap([("Patient/1#1", SECRET)])
    assert SECRET not in wrapped
    assert await keys.unwrap([("Patient/1#1", wrapped), ("Patient/2#1", wrapped)]) == [SECRET, None]


async def test_every_wrapping_is_different() -> None:
    keys = wrapping(Above(os.urandom(32)))
    assert len(set(await keys.wrap([("Patient/1#1", SECRET)] * 50))) == 50


async def test_damaged_values_open_to_nothing_and_leave_the_others_alone() -> None:
    keys = wrapping(Above(os.urandom(32)))
    (whole,) = await keys.wrap([("k", SECRET)])
    damaged: list[Any] = [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in range(len(whole))]
    damaged += [whole[:-1], whole[:5], b"", "text", None, 7]
    found = await keys.unwrap([("k", each) for each in [*damaged, whole]])
    assert found == [None] * len(damaged) + [SECRET]


async def test_a_new_generation_wraps_and_the_old_ones_still_open() -> None:
    above = Above(os.urandom(32))
    keys = wrapping(above)
    (old,) = await keys.wrap([("k", SECRET)])
    above.secrets_now = [*above.secrets_now, os.urandom(32)]
    keys.forget()
    (new,) = await keys.wrap([("k", SECRET)])
    assert [await keys.is_newest(old), await keys.is_newest(new)] == [False, True]
    assert await keys.unwrap([("k", old), ("k", new)]) == [SECRET, SECRET]


async def test_a_process_learns_of_a_generation_when_it_meets_it() -> None:
    above = Above(os.urandom(32))
    here, there = wrapping(above), wrapping(above)
    await here.wrap([("k", SECRET)])
    above.secrets_now = [*above.secrets_now, os.urandom(32)]
    (new,) = await there.wrap([("k", SECRET)])
    assert await here.unwrap([("k", new)]) == [SECRET]


async def test_the_level_above_is_asked_once_a_minute_and_its_refusal_counts() -> None:
    now = 0.0
    above = Above(os.urandom(32))
    keys = wrapping(above, lambda: now)
    (wrapped,) = await keys.wrap([("k", SECRET)])
    await keys.unwrap([("k", wrapped)])
    assert above.asked == 1
    now, above.refuses = NEWEST_SECONDS, True
    for attempt in (keys.wrap([("k", SECRET)]), keys.unwrap([("k", wrapped)])):
        with pytest.raises(Unavailable):
            await attempt


@pytest.mark.parametrize("secrets", [[], [None]])
async def test_without_a_wrapping_key_nothing_is_wrapped(secrets: list[bytes | None]) -> None:
    keys = wrapping(Above(*secrets))
    with pytest.raises(IntegrityFailure):
        await keys.wrap([("k", SECRET)])
    assert await keys.unwrap([("k", b"\x11\x00\x01" + os.urandom(60))]) == [None]


def test_it_shows_nothing() -> None:
    assert repr(wrapping(Above(SECRET))) == "KeyWrapping(0 generations)"
