"""Grounds hold only when every part has said what it rests on, and all of them have seen the same."""

from __future__ import annotations

from domain.grounds import Grounds


def test_grounds_without_every_part_are_not_complete() -> None:
    grounds = Grounds()
    assert not grounds.complete
    grounds.said("who")
    assert not grounds.complete
    grounds.said("sight")
    assert grounds.complete
    grounds.spoil()
    grounds.said("who")
    assert not grounds.complete


def test_two_states_of_one_name_spoil_them() -> None:
    grounds = Grounds()
    grounds.said("who")
    grounds.said("sight")
    grounds.rest_on("a", (1,))
    grounds.rest_on("a", (1,))
    assert grounds.complete
    grounds.rest_on("a", (2,))
    assert not grounds.complete


def test_the_earliest_end_counts() -> None:
    grounds = Grounds()
    for moment in (30.0, 10.0, 20.0):
        grounds.end(moment)
    assert grounds.until == 10.0
