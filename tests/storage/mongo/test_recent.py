"""What was committed a moment ago answers stale writes, and is forgotten in time."""

from __future__ import annotations

from storage.mongo.recent import MOST, SECONDS, Recent


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_expectation_that_was_overtaken_is_stale() -> None:
    recent = Recent()
    recent.remember({"Patient/1": 4, b"claim": 9})
    assert recent.stale({"Patient/2": 0, "Patient/1": 3}) == "Patient/1"
    assert recent.stale({b"claim": 8}) == b"claim"
    assert recent.stale({"Patient/1": 4, b"claim": 9}) is None


def test_what_others_may_have_written_since_is_left_to_the_database() -> None:
    recent = Recent()
    recent.remember({"Patient/1": 4})
    assert recent.stale({"Patient/1": 5}) is None


def test_it_forgets_after_seconds_since_claims_expire() -> None:
    clock = Clock()
    recent = Recent(clock)
    recent.remember({b"claim": 9})
    clock.now = SECONDS - 0.1
    assert recent.stale({b"claim": 0}) == b"claim"
    clock.now = SECONDS
    assert recent.stale({b"claim": 0}) is None


def test_it_is_bounded_and_drops_the_oldest() -> None:
    recent = Recent()
    recent.remember({"first": 1, "second": 1})
    recent.remember({"first": 2})
    recent.remember({f"r{number}": 1 for number in range(MOST - 1)})
    assert recent.stale({"second": 0}) is None
    assert recent.stale({"first": 0}) == "first"
