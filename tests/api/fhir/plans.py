"""What the database looked at for a request: every command it got for resources, read from its own profile.

https://www.mongodb.com/docs/manual/tutorial/manage-the-database-profiler/. The profile sees what really ran, whoever sent it:
the search itself, the chains solved before it, candidates that were opened, counts, inclusions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from pymongo.database import Database

PROFILE_BYTES = 1 << 25


class Step(NamedTuple):
    """One command. `answered` is what it returned; a count answers with as many as it counted (`None` until known)."""

    plan: str
    documents: int
    keys: int
    answered: int | None


class Looked(NamedTuple):
    """Everything that was looked at for one request; `wasteful`: without an index, or much more than was answered."""

    wasteful: bool
    documents: int
    keys: int
    answered: int


@contextmanager
def profiled(database: Database[dict[str, Any]]) -> Iterator[list[Step]]:
    """The steps of what happens meanwhile, complete at the end. For nobody but a test: it slows the database down."""
    steps: list[Step] = []
    database.command("profile", 0)
    database["system.profile"].drop()
    database.create_collection("system.profile", capped=True, size=PROFILE_BYTES)
    database.command("profile", 2)
    try:
        yield steps
    finally:
        database.command("profile", 0)
    wanted = {"ns": f"{database.name}.resources", "docsExamined": {"$exists": True}}
    steps += map(_step, database["system.profile"].find(wanted).sort("ts", 1))


def _step(entry: Mapping[str, Any]) -> Step:
    counting = "$sum" in str(entry["command"])
    return Step(
        str(entry["planSummary"]),
        int(entry["docsExamined"]),
        int(entry["keysExamined"]),
        None if counting else int(entry["nreturned"]),
    )


def looked(steps: Sequence[Step], counted: int) -> Looked:
    """The sum of the steps; counts among them came to `counted`. Each step must be thrifty, and all of them together."""
    known = [step if step.answered is not None else step._replace(answered=counted) for step in steps]
    documents, keys = sum(step.documents for step in known), sum(step.keys for step in known)
    answered = sum(step.answered or 0 for step in known)
    whole = Step(" ".join(step.plan for step in known), documents, keys, answered)
    return Looked(any(map(_is_wasteful, (*known, whole))), documents, keys, answered)


def _is_wasteful(step: Step) -> bool:
    answered = step.answered or 0
    return "COLLSCAN" in step.plan or step.documents > 3 * answered + 100 or step.keys > 4 * answered + 1_000
