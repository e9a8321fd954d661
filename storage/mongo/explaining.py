"""How the database answers a search: the plan it ran, and what it looked at. https://www.mongodb.com/docs/v6.0/reference/explain-results/

Runs the page of a search as it is, and reads the figures; nothing of the values is in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from domain.search import SearchQuery
from storage.crypto.blind_index import TokenMaker
from storage.mongo.client import Database, Document
from storage.mongo.documents import CURRENT_FIELDS, RESOURCES
from storage.mongo.failures import translated
from storage.mongo.planning import Plan, plan_of
from storage.mongo.search import SEARCH_MS
from storage.mongo.token_walk import TokenWalk


class Explained(NamedTuple):
    """A page of a search: the index that leads, the stages outermost first, and what was examined."""

    lead: str
    stages: tuple[str, ...]
    keys_examined: int
    documents_examined: int
    returned: int
    milliseconds: int

    @property
    def scans(self) -> bool:
        """Whether documents were read without an index."""
        return "COLLSCAN" in self.stages


async def explain(database: Database, tokens: TokenMaker, query: SearchQuery) -> Explained:
    """Explain the next page of a query whose chains are solved and which needs nothing opened. Raises `Unavailable`."""
    plan = plan_of(query, tokens)
    found = Explained(plan.lead, (), 0, 0, 0, 0)
    for filter_ in _filters(plan):
        limit = query.count + 1 - found.returned
        if limit > 0:
            found = _added(found, await _run(database, filter_, plan, limit))
    return found


def _filters(plan: Plan) -> list[Document]:
    """What is asked one after the other until a page is full."""
    match plan.walk:
        case None:
            return [plan.page]
        case TokenWalk():
            return [{"$and": [clause, *plan.rest]} for clause in plan.walk.clauses(None)]
    return [{"$and": [*plan.walk.clauses(number, None), *plan.rest]} for number in range(len(plan.walk))]


async def _run(database: Database, filter_: Document, plan: Plan, limit: int) -> Document:
    command = {
        "find": RESOURCES,
        "filter": filter_,
        "projection": CURRENT_FIELDS,
        **({"sort": dict(plan.sort)} if plan.sort else {}),
        "limit": limit,
        "hint": plan.lead,
        "maxTimeMS": SEARCH_MS,
    }
    with translated("The search was not explained"):
        return await database.command("explain", command, verbosity="executionStats")


def _added(found: Explained, answer: Document) -> Explained:
    figures = answer["executionStats"]
    return Explained(
        found.lead,
        (*found.stages, *_stages(answer["queryPlanner"]["winningPlan"])),
        found.keys_examined + figures["totalKeysExamined"],
        found.documents_examined + figures["totalDocsExamined"],
        found.returned + figures["nReturned"],
        found.milliseconds + figures["executionTimeMillis"],
    )


def _stages(plan: Mapping[str, Any]) -> Iterator[str]:
    yield plan["stage"]
    for inner in (*([plan["inputStage"]] if "inputStage" in plan else []), *plan.get("inputStages", ())):
        yield from _stages(inner)
