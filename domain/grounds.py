"""What is known of a caller rests on: so that the next request of the same one only asks whether that still holds.

Who a token stands for, and what they may see, is put together of a session, an account and relations. Each part is kept under
counters that whoever changes it raises, and until a moment at which it changes by itself. `Grounds` collects both while a
caller is made out. Invariant: a part that cannot say what it rests on leaves them incomplete, and incomplete grounds hold
nothing: then everything is made out anew.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Literal, TypeAlias

Part: TypeAlias = Literal["who", "sight"]
_PARTS: frozenset[Part] = frozenset({"who", "sight"})


class Grounds:
    """`marks` are counters by name as they stood before what rests on them was read, `until` is in seconds since 1970."""

    __slots__ = ("_said", "marks", "until")

    def __init__(self) -> None:
        self.marks: dict[str, Hashable] = {}
        self.until = float("inf")
        self._said: set[Part] | None = set()

    @property
    def complete(self) -> bool:
        """Whether every part has said what it rests on."""
        return self._said is not None and self._said >= _PARTS

    def said(self, part: Part) -> None:
        """A part has named everything it rests on."""
        if self._said is not None:
            self._said.add(part)

    def spoil(self) -> None:
        """Something is not known well enough to hold longer than this request."""
        self._said = None

    def rest_on(self, name: str, state: Hashable) -> None:
        """What is known holds while the counters of this name stand so."""
        if self.marks.setdefault(name, state) != state:
            self.spoil()  # Two parts have seen different states: one of them is old already.

    def end(self, moment: float) -> None:
        """What is known holds no longer than until then."""
        self.until = min(self.until, moment)
