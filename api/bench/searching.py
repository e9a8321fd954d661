"""Cells that search: every answer has the hits it must have, a sample of them the very resources.

The figure of a family of search30 is that of its own cell, `search30/date`, so that each has its p50, p99 and hits.
"""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable, Sequence

from api.bench import questions
from api.bench.engine import Cell, Session
from api.bench.questions import Question
from api.bench.records import Records
from api.bench.shapes import FAMILIES

_MATCH = re.compile(rb'"mode"\s*:\s*"match"')
_TOTAL = re.compile(rb'"total"\s*:\s*(\d+)')
_FULL_URL = re.compile(rb'"fullUrl"\s*:\s*"[^"]*/([A-Za-z0-9\-.]{1,64})"')
_SAMPLE = 50
_HEAD = 1_000
"""Where the total of an answer stands."""

Ask = Callable[[Session], Awaitable[list[Question]]]


class Search:
    """GET of one of the questions, at random."""

    counts_resources = False

    def __init__(self, name: str, ask: Ask) -> None:
        self.name = name
        self._ask = ask
        self._questions: Sequence[Question] = ()

    async def prepare(self, session: Session) -> None:
        self._questions = await self._ask(session)

    async def unit(self, session: Session, worker: int) -> None:
        question = random.choice(self._questions)  # noqa: S311
        answer = await session.ask("GET", question.path, expect=(200,), resources=question.shown)
        total = _TOTAL.search(answer.body, 0, _HEAD)
        hits = len(_MATCH.findall(answer.body))
        if hits != question.shown or (total is not None and int(total[1]) != len(question.ids)):
            session.wrong[f"wrong hits {question.path.partition('=')[0]}"] += 1

    async def verify(self, session: Session) -> None:
        """A sample finds the very resources."""
        for question in random.sample(self._questions, min(_SAMPLE, len(self._questions))):
            answer = await session.client.request("GET", question.path)
            found = {name.decode() for name in _FULL_URL.findall(answer.body)}
            if len(found) != question.shown or not found <= question.ids:
                session.wrong[f"other resources {question.path.partition('=')[0]}"] += 1


def search_cells(records: Records) -> dict[str, Cell]:
    """search_name, search_obs and the families of search30, over one server's records."""

    def of_family(family: str) -> Search:
        return Search(f"search30/{family}", lambda session: questions.of_family(records, session, family))

    made: list[Cell] = [
        Search("search_name", lambda session: questions.by_name(records, session)),
        Search("search_obs", lambda session: questions.by_patient_and_code(records, session)),
        *map(of_family, FAMILIES),
    ]
    return {cell.name: cell for cell in made}
