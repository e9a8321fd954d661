"""Whether a described resource satisfies a condition: the meaning of the search language, without any index.

What the database answers from indexes must be what this answers; the in-memory store searches with it, and opened
candidates are checked by it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TypeAlias

from domain.ranges import MOMENT
from domain.revision import Description, Head
from domain.search import (
    AllOf,
    AnyOf,
    AnyTerm,
    CodesOf,
    Condition,
    Faceted,
    Having,
    IdIn,
    InRange,
    Labelled,
    Linked,
    Listed,
    NoneOf,
    OfPatients,
    Opened,
    PatientIn,
    RangeTest,
    Updated,
    Words,
    WrittenBy,
)

Decider: TypeAlias = Callable[[Head], bool]


def _unopened(condition: Opened) -> bool:
    raise ValueError(f"only an opened resource can tell whether {condition.code} fits")


def holds(
    condition: Condition, head: Head, described: Description, opened: Callable[[Opened], bool] = _unopened
) -> bool:
    """Whether a live resource satisfies the condition; `opened` decides what its description cannot."""
    match condition:
        case AnyTerm(terms, negated):
            return (not set(terms).isdisjoint(getattr(described, condition.shelf))) is not negated
        case InRange(tests):
            return any(_passes(test, described) for test in tests)
        case AllOf(conditions):
            return all(holds(each, head, described, opened) for each in conditions)
        case AnyOf(conditions):
            return any(holds(each, head, described, opened) for each in conditions)
        case Words(words, found):
            return all(word in described.words or (found and word in described.found) for word in words)
        case Opened():
            return opened(condition)
        case IdIn(ids, negated):
            return (head.key.id in ids) is not negated
        case OfPatients(owners, terms):
            about = owners is None or described.patient in owners
            return about and not set(terms).isdisjoint(described.scoped)
        case NoneOf(conditions):
            return not any(holds(each, head, described, opened) for each in conditions)
        case PatientIn() | Faceted() | Labelled() | WrittenBy():
            return fits(condition, head)
        case Updated(low, high, outside):
            within = (low is None or head.recorded >= low) and (high is None or head.recorded < high)
            return within is not outside
        case Linked() | Having() | Listed() | CodesOf():
            raise ValueError("a chain must be solved before the query that holds it")


def needs_index(condition: Condition) -> bool:
    """Whether a head alone cannot decide the condition."""
    match condition:
        case AllOf(conditions) | AnyOf(conditions) | NoneOf(conditions):
            return any(map(needs_index, conditions))
        case PatientIn() | Faceted() | Labelled() | WrittenBy() | IdIn():
            return False
    return True


def fits(condition: Condition, head: Head) -> bool:
    """Whether a version satisfies a condition that its head decides. Raises `ValueError` for any other condition."""
    return decider(condition)(head)


def decider(condition: Condition) -> Decider:
    """`fits` for many heads: the condition put together once. Raises `ValueError` for one that a head does not decide.

    Every read of a person asks this: walking the condition anew each time takes five times as long.
    """
    match condition:
        case PatientIn(patients):
            return lambda head: _meet(head.patients, patients)
        case AllOf(conditions):
            return _all(tuple(map(decider, conditions)))
        case AnyOf(conditions):
            return _any(tuple(map(decider, conditions)))
        case NoneOf(conditions):
            some = _any(tuple(map(decider, conditions)))
            return lambda head: not some(head)
        case Faceted(facets):
            return lambda head: _meet(head.facets, facets)
        case Labelled(labels):
            return lambda head: _meet(head.labels, labels)
        case WrittenBy(subject):
            return lambda head: head.source == subject
        case IdIn(ids, negated):
            return lambda head: (head.key.id in ids) is not negated
    raise ValueError(f"{type(condition).__name__} is not decided by a head")


def _all(parts: Sequence[Decider]) -> Decider:
    if len(parts) == 1:
        return parts[0]

    def every(head: Head) -> bool:
        for part in parts:  # noqa: SIM110 a loop takes half the time of a generator
            if not part(head):
                return False
        return True

    return every


def _any(parts: Sequence[Decider]) -> Decider:
    if len(parts) == 1:
        return parts[0]

    def some(head: Head) -> bool:
        for part in parts:  # noqa: SIM110
            if part(head):
                return True
        return False

    return some


def _meet(some: Iterable[str], others: Collection[str]) -> bool:
    for each in some:  # noqa: SIM110
        if each in others:
            return True
    return False


def _passes(test: RangeTest, described: Description) -> bool:
    if MOMENT in test.paths and described.moment is not None and test.box.holds(*described.moment):
        return True
    return any(
        found.path in test.paths and set(test.keys) <= set(found.keys) and test.box.holds(found.low, found.high)
        for found in described.ranges
    )
