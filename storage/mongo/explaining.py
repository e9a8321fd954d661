"""How the database answers a search: the plan it ran, and what it looked at. https://www.mongodb.com/docs/v6.0/reference/explain-results/

Runs the page of a search as it is, and reads the figures; nothing of the values is in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from domain.candidates import candidates_of, needs_opening
from domain.search import SearchQuery
from storage.crypto.blind_index import TokenMaker
from storage.mongo.client import Database, Document
from storage.mongo.documents import CURRENT_FIELDS, RESOURCES
from storage.mongo.failures import translated
from storage.mongo.joins import any_of, owners_of, selection, walked
from storage.mongo.planning import Plan, plan_of
from storage.mongo.search import SEARCH_MS
from storage.mongo.token_walk import TokenWalk


class Step(NamedTuple):
    """A page of a search of a type: the index that leads, the stages outermost first, and what was examined.

    `opening`: what is returned are candidates, which have to be opened to decide or to sort.
    """

    type: str
    lead: str
    opening: bool
    stages: tuple[str, ...] = ()
    keys_examined: int = 0
    documents_examined: int = 0
    returned: int = 0
    milliseconds: int = 0

    @property
    def scans(self) -> bool:
        """Whether documents were read without an index."""
        return "COLLSCAN" in self.stages


async def explain(
    database: Database, tokens: TokenMaker, query: SearchQuery, wanted: Literal["page", "names", "owners"] = "page"
) -> Step:
    """Explain a query whose chains are solved: its next page, the names of all it selects, or whose they are.

    One that needs opening is explained by its candidates. Raises `Unavailable`.
    """
    opening = needs_opening(query)
    query = candidates_of(query) if opening else query
    found = Step(query.type, "", opening)
    if wanted == "page" or opening:
        plan = plan_of(query, tokens)
        for filter_ in _filters(plan):
            limit = query.count + 1 - found.returned
            if limit > 0:
                found = _added(found, await _run(database, _page(filter_, plan, limit)))
        return found
    if wanted == "names":
        command: Document = {"find": RESOURCES, "filter": any_of([query], tokens), "projection": {"type": 1, "id": 1}}
        return _added(found, await _run(database, command))
    values = walked(query, tokens)
    asked = [selection(query, tokens)] if values is None else [{"scoped": value} for value in values]
    for selected in asked:
        hint = {} if values is None else {"hint": "scoped"}
        command = {"aggregate": RESOURCES, "pipeline": owners_of(selected), "cursor": {}, **hint}
        found = _added(found, await _run(database, command))
    return found


def _filters(plan: Plan) -> list[Document]:
    """What is asked one after the other until a page is full."""
    match plan.walk:
        case None:
            return [plan.page]
        case TokenWalk():
            return [{"$and": [clause, *plan.rest]} for clause in plan.walk.clauses(None)]
    return [{"$and": [*plan.walk.clauses(number, None), *plan.rest]} for number in range(len(plan.walk))]


def _page(filter_: Document, plan: Plan, limit: int) -> Document:
    return {
        "find": RESOURCES,
        "filter": filter_,
        "projection": CURRENT_FIELDS,
        **({"sort": dict(plan.sort)} if plan.sort else {}),
        "limit": limit,
        "hint": plan.lead,
    }


async def _run(database: Database, command: Document) -> Document:
    """What the database says of a command; of an aggregate, how it fetched."""
    with translated("The search was not explained"):
        timed = {**command, "maxTimeMS": SEARCH_MS}
        answer: Document = await database.command("explain", timed, verbosity="executionStats")
    fetched: Document = answer["stages"][0]["$cursor"] if "stages" in answer else answer
    return fetched


def _added(found: Step, answer: Document) -> Step:
    figures, plan = answer["executionStats"], answer["queryPlanner"]["winningPlan"]
    plan = plan.get("queryPlan", plan)
    leads = [found.lead] if found.lead else []
    return found._replace(
        lead=", ".join(dict.fromkeys([*leads, *_indexes(plan)])),
        stages=(*found.stages, *_stages(plan)),
        keys_examined=found.keys_examined + figures["totalKeysExamined"],
        documents_examined=found.documents_examined + figures["totalDocsExamined"],
        returned=found.returned + figures["nReturned"],
        milliseconds=found.milliseconds + figures["executionTimeMillis"],
    )


def _stages(plan: Mapping[str, Any]) -> Iterator[str]:
    yield plan["stage"]
    for inner in (*([plan["inputStage"]] if "inputStage" in plan else []), *plan.get("inputStages", ())):
        yield from _stages(inner)


def _indexes(plan: Mapping[str, Any]) -> Iterator[str]:
    if "indexName" in plan:
        yield plan["indexName"]
    for inner in (*([plan["inputStage"]] if "inputStage" in plan else []), *plan.get("inputStages", ())):
        yield from _indexes(inner)
