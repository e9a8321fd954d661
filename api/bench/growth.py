"""growth: the same searches among 1,000, 10,000 and 100,000 people; what is measured is how little that changes.

Each size adds people of ours until there are that many; families have two to five members and each person two observations,
so an answer is as long at every size. Needs a server that was empty before.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from api.bench.engine import Cell, Session, Wrong, side_by_side
from api.bench.people import LOINC, OBSERVATIONS, Families, Family, code_of
from api.bench.questions import MOST_QUESTIONS, Question, path_of
from api.bench.searching import Search

SIZES = (1_000, 10_000, 100_000)
PER_BUNDLE = 100
AT_ONCE = 4
_CREATED = re.compile(rb'"location"\s*:\s*"[^"]*?(Patient|Observation)/([A-Za-z0-9\-.]{1,64})/_history')


class Person:
    """A person as stored: the family and the ids of the Patient and its Observations."""

    __slots__ = ("code", "id", "observations")

    def __init__(self, id: str, code: str, observations: frozenset[str]) -> None:
        self.id, self.code, self.observations = id, code, observations


class Town:
    """The people stored so far on one server, by family."""

    def __init__(self) -> None:
        self._families = Families()
        self._people: dict[Family, list[Person]] = {}

    async def grow(self, session: Session, size: int) -> None:
        """Store people until there are at least `size`."""
        before = self._families.people
        numbers = range(-(-max(0, size - before) // PER_BUNDLE))

        async def one(number: int) -> None:
            if self._families.people < size:
                await self._settle(session)
            session.told(f"storing {size:,} people", self._families.people - before, size - before)

        await side_by_side(len(numbers), AT_ONCE, one)

    async def _settle(self, session: Session) -> None:
        first_family, first = len(self._families.stored), self._families.people
        body, count = self._families.bundle(PER_BUNDLE, observed=True)
        families = self._families.stored[first_family:]
        answer = await session.ask("POST", "", body, expect=(200,), resources=count)
        created = [(kind, name.decode()) for kind, name in _CREATED.findall(answer.body)]
        if len(created) != count:
            session.wrong["entries not stored"] += 1
            raise Wrong
        at, number = 0, first
        for family in families:
            for _ in range(family.size):
                observed = frozenset(name for _, name in created[at + 1 : at + 1 + OBSERVATIONS])
                person = Person(created[at][1], code_of(number), observed)
                self._people.setdefault(family, []).append(person)
                at, number = at + 1 + OBSERVATIONS, number + 1

    def by_name(self) -> list[Question]:
        """`Patient?name=` of some families."""
        families = random.sample(sorted(self._people), min(len(self._people), MOST_QUESTIONS))
        return [
            Question(path_of("Patient", "name={}", family.name), frozenset(each.id for each in self._people[family]))
            for family in families
        ]

    def by_patient_and_code(self) -> list[Question]:
        """`Observation?patient=&code=` of some people."""
        families = random.sample(sorted(self._people), min(len(self._people), MOST_QUESTIONS))
        return [
            Question(
                path_of("Observation", "patient={}", f"Patient/{each.id}&code={LOINC}|{each.code}"), each.observations
            )
            for family in families
            for each in self._people[family][:1]
        ]


def growth_cells(sizes: Sequence[int] = SIZES) -> dict[str, Cell]:
    """search_name and search_obs at each size: `growth/1000/search_name` and so on, in the order of the sizes."""
    town = Town()

    def cell(size: int, what: str) -> Search:
        async def ask(session: Session) -> list[Question]:
            await town.grow(session, size)
            return town.by_name() if what == "search_name" else town.by_patient_and_code()

        return Search(f"growth/{size}/{what}", ask)

    made = [cell(size, what) for size in sizes for what in ("search_name", "search_obs")]
    return {each.name: each for each in made}
