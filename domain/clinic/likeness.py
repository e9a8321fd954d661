"""How alike two names are: Jaro-Winkler similarity, from 0 to 1.

https://www.census.gov/content/dam/Census/library/working-papers/1991/adrm/rr91-9.pdf (Winkler 1990, string comparators).
It forgives a swapped letter and weighs the beginning, where people mistype least. Names are compared as written and with
their words sorted, so that "Smith, Jane" is "Jane Smith".
"""

from __future__ import annotations

from collections.abc import Iterable

PREFIX, SCALE, BOOST = 4, 0.1, 0.7
"""Winkler's bonus: for at most so many first letters, of so much, and only for strings that are alike anyway."""


def similarity(one: Iterable[str], other: Iterable[str]) -> float:
    """That of the two most similar names; 0 where one side has none. Names are normalised."""
    theirs = [(name, _in_order(name)) for name in other]
    return max((_alike(name, _in_order(name), *their) for name in one for their in theirs), default=0.0)


def _alike(one: str, one_sorted: str, other: str, other_sorted: str) -> float:
    written = jaro_winkler(one, other)
    if written == 1.0 or (one == one_sorted and other == other_sorted):
        return written
    return max(written, jaro_winkler(one_sorted, other_sorted))


def _in_order(name: str) -> str:
    return " ".join(sorted(name.split()))


def jaro_winkler(one: str, other: str) -> float:
    """The similarity of two strings."""
    if one == other:
        return 1.0
    jaro = _jaro(one, other)
    if jaro < BOOST:
        return jaro
    common = 0
    for a, b in zip(one[:PREFIX], other[:PREFIX], strict=False):
        if a != b:
            break
        common += 1
    return jaro + common * SCALE * (1 - jaro)


def _jaro(one: str, other: str) -> float:
    """Shared letters not further apart than half of the longer string, and how many of them are out of order."""
    reach = max(len(one), len(other)) // 2 - 1
    taken = [False] * len(other)
    mine: list[str] = []
    for at, letter in enumerate(one):
        for there in range(max(0, at - reach), min(len(other), at + reach + 1)):
            if not taken[there] and other[there] == letter:
                taken[there] = True
                mine.append(letter)
                break
    if not mine:
        return 0.0
    theirs = (letter for letter, was in zip(other, taken, strict=True) if was)
    swapped = sum(a != b for a, b in zip(mine, theirs, strict=True)) / 2
    shared = len(mine)
    return (shared / len(one) + shared / len(other) + (shared - swapped) / shared) / 3
