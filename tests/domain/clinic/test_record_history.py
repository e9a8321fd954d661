"""What differs between two versions of a record."""

from __future__ import annotations

from domain.clinic.record_history import Difference, compared


def test_equal_fields_are_not_told() -> None:
    assert list(compared({"a": 1, "b": ("x",)}, {"a": 1, "b": ("x",)})) == []


def test_plain_fields_tell_both_values() -> None:
    assert list(compared({"a": 1}, {"a": 2})) == [Difference("a", 1, 2)]


def test_rows_are_told_apart_by_their_id_wherever_they_stand() -> None:
    before = {"rows": ({"id": "1", "text": "a"}, {"id": "2", "text": "b"})}
    after = {"rows": ({"id": "2", "text": "c"}, {"id": "3", "text": "d"})}
    assert list(compared(before, after)) == [
        Difference("rows[1]", {"id": "1", "text": "a"}, None),
        Difference("rows[2].text", "b", "c"),
        Difference("rows[3]", None, {"id": "3", "text": "d"}),
    ]


def test_lists_of_names_tell_what_came_and_went() -> None:
    assert list(compared({"ids": ("1", "2")}, {"ids": ("2", "3")})) == [
        Difference("ids", "1", None),
        Difference("ids", None, "3"),
    ]
