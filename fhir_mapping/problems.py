"""What a check found wrong, before it is an `Issue`.

A check returns `None` when there is nothing to say, so that a good resource pays for no list and no path. A problem's
path is relative to the value checked (`.name[0].given`); whoever called the check puts its own step in front.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

from domain.errors import Issue


class Problem(NamedTuple):
    """`code` is a FHIR issue type; `path` begins with `.` or `[`, or is empty for the value itself.

    `message` never quotes the value. `local` is set on what is not a problem yet: a reference `#id`, with the types it
    may point at, whose target only the resource around it knows.
    """

    code: str
    message: str
    path: str = ""
    local: tuple[str, frozenset[str] | None] | None = None

    def under(self, step: str) -> Problem:
        """The same problem seen from one step further out."""
        return self._replace(path=step + self.path)


Found: TypeAlias = list[Problem] | None
Check: TypeAlias = Callable[[Any, int], Found]
"""Checks a value at a JSON nesting depth (the resource itself is at depth 1)."""


def under(step: str, problems: Iterable[Problem]) -> list[Problem]:
    return [problem.under(step) for problem in problems]


def issues_of(problems: Iterable[Problem], root: str, limit: int = 50) -> list[Issue]:
    """The first `limit` problems as issues, their paths beginning with `root`, each place and sentence once."""
    unique = dict.fromkeys((p.code, p.message, root + p.path) for p in problems)
    return [Issue(code, message, expression) for code, message, expression in list(unique)[:limit]]
