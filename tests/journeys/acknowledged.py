"""The acknowledged-writes checker: what clients were told, against what is stored. Linear in the number of versions.

Each attempt of a client carries a mark of its own into every version that it writes. The versions of a resource have one
order, so everything that a lost, doubled or half done write can look like shows as a difference of counts:

    acknowledged    every version it was told of exists and carries its mark, and no other version does
    outcome unknown its mark is on all of its versions or on none
    each resource   versions 1, 2, 3 … without a hole, and the newest is the current one
    history = audit the entries of commits name every version exactly once, and nothing else
    real time       what ended before another began has the smaller version
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple


class Attempt(NamedTuple):
    """What one client tried under one Idempotency-Key, times on one clock. `ended` is `None` if it never was told.

    `told` are the versions it was told of, as `Type/id/version`; `writes` how many versions carry `mark` if it happened.
    """

    mark: str
    writes: int
    began: float
    ended: float | None = None
    told: tuple[str, ...] = ()


class Stored(NamedTuple):
    """What is stored: the mark of each version by name, the current version of each resource, audited targets."""

    marks: Mapping[str, str]
    current: Mapping[str, int]
    audited: Sequence[str]


def differences(attempts: Sequence[Attempt], stored: Stored) -> list[str]:
    """A sentence for everything that is lost, doubled, half done or out of order; none means that all is well."""
    return [
        *_kept(attempts, stored.marks),
        *_whole(stored),
        *_audited(stored),
        *_ordered(attempts),
    ]


def _kept(attempts: Iterable[Attempt], marks: Mapping[str, str]) -> Iterator[str]:
    carrying: dict[str, set[str]] = defaultdict(set)
    for name, mark in marks.items():
        carrying[mark].add(name)
    for attempt in attempts:
        found = carrying.pop(attempt.mark, set())
        if attempt.ended is None and found and len(found) != attempt.writes:
            yield f"{attempt.mark}: {len(found)} of {attempt.writes} writes happened, and nobody was told"
        if attempt.ended is not None and found != set(attempt.told):
            yield f"{attempt.mark}: told {sorted(attempt.told)}, stored {sorted(found)}"
        if attempt.ended is not None and len(attempt.told) != attempt.writes:
            yield f"{attempt.mark}: told of {len(attempt.told)} versions instead of {attempt.writes}"
    for mark, names in carrying.items():
        yield f"{mark}: {sorted(names)} was written by nobody"


def _whole(stored: Stored) -> Iterator[str]:
    versions: dict[str, list[int]] = defaultdict(list)
    for name in stored.marks:
        resource, _, version = name.rpartition("/")
        versions[resource].append(int(version))
    for resource, numbers in versions.items():
        if sorted(numbers) != list(range(1, len(numbers) + 1)):
            yield f"{resource}: has the versions {sorted(numbers)}"
        if stored.current.get(resource) != max(numbers):
            yield f"{resource}: version {stored.current.get(resource)} is current, {max(numbers)} is newest"
    for resource in stored.current.keys() - versions.keys():
        yield f"{resource}: has no version at all"


def _audited(stored: Stored) -> Iterator[str]:
    named = Counter(stored.audited)
    for name in stored.marks:
        if named[name] != 1:
            yield f"{name}: the audit has {named[name]} entries of its commit"
    for name in named.keys() - stored.marks.keys():
        yield f"{name}: is in the audit, but not stored"


def _ordered(attempts: Iterable[Attempt]) -> Iterator[str]:
    """One pass per resource, newest version first: nothing may have ended before something older began."""
    known: dict[str, list[tuple[int, float, float, str]]] = defaultdict(list)
    for attempt in attempts:
        for name in attempt.told:
            resource, _, version = name.rpartition("/")
            assert attempt.ended is not None
            known[resource].append((int(version), attempt.began, attempt.ended, attempt.mark))
    for resource, history in known.items():
        latest_begin, of = float("-inf"), ""
        for version, began, ended, mark in sorted(history):
            if ended < latest_begin:
                yield f"{resource}: {mark} ended before {of} began, and has the later version {version}"
            if began > latest_begin:
                latest_begin, of = began, mark
