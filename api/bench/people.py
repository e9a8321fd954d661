"""People for searches: families of two to five, each with observations, numbered so that every hit count is known.

Whatever is stored in between, the same search has the same hits: among a thousand people and among a hundred thousand.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

from api.bench.bodies import Linked, Patients

LOINC = "http://loinc.org"
CODES = ("8867-4", "9279-1", "8310-5", "2708-6", "8302-2", "29463-7", "39156-5", "2339-0")
OBSERVATIONS = 2
"""Of each person, both of one code."""


class Family(NamedTuple):
    """A family name nobody else has, and how many bear it."""

    name: str
    size: int


class Families:
    """Makes the next people of a run. Names have one length, so that none is the beginning of another."""

    def __init__(self) -> None:
        self._run = secrets.token_hex(4)
        self._patients = Patients()
        self._observation = Linked(("Observation",), frozenset({"Patient"})).body("Observation", {})
        self.people = 0
        self.stored: list[Family] = []

    def bundle(self, people: int, *, observed: bool = False) -> tuple[bytes, int]:
        """A transaction that creates about as many people (whole families), and how many resources that is.

        With `observed`, each Patient is followed by its Observations.
        """
        entries: list[bytes] = []
        enough = self.people + people
        while self.people < enough:
            number = len(self.stored)
            family = Family(f"Fm{self._run}{number:06d}", 2 + number % 4)
            self.stored.append(family)
            for _ in range(family.size):
                entries += self._person(family, OBSERVATIONS if observed else 0)
                self.people += 1
        body = b'{"resourceType":"Bundle","type":"transaction","entry":[%s]}' % b",".join(entries)
        return body, len(entries)

    def _person(self, family: Family, observations: int) -> list[bytes]:
        urn = b"urn:uuid:00000000-0000-4000-8000-%012d" % self.people
        code, day = code_of(self.people).encode(), b"20%02d-%02d" % (10 + self.people % 15, 1 + self.people % 12)
        named = self._patients.new(family.name.encode())
        rows = [b'{"fullUrl":"%s","resource":%s,"request":{"method":"POST","url":"Patient"}}' % (urn, named)]
        body = self._observation.replace(b'"Patient/"', b'"%s"' % urn).replace(b"85354-9", code)
        for turn in range(observations):
            dated = body.replace(b"2015-08-31", b"%s-%02d" % (day, 1 + turn))
            rows.append(b'{"resource":%s,"request":{"method":"POST","url":"Observation"}}' % dated)
        return rows


def code_of(number: int) -> str:
    """The LOINC code of what is observed of the person of this number."""
    return CODES[number % len(CODES)]
