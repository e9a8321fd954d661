"""Rules of the definitions that no table holds, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Invariant(NamedTuple):
    key: str
    human: str
    holds: Callable[[Mapping[str, Any]], bool]
    at: str = ""


_RULES: dict[str, tuple[Invariant, ...]] = {}


def of(path: str) -> tuple[Invariant, ...]:
    return _RULES.get(path, ())
