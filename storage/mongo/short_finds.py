"""Finds that an index answers in its own order by a few tokens: what they ask, alone and several together.

What differs in nothing but tokens and patient is of one `shape`. Several of a shape are one filter; whose a document is tell
the tokens it carries and its patient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import bson

from domain.search import AnyTerm, Condition, OfPatients
from storage.mongo.batching import Job
from storage.mongo.client import Document
from storage.mongo.documents import CURRENT_FIELDS

MOST_DOCUMENTS = 101
"""Of one find; more would fill an answer of the database with one of them."""
ORDERS: Mapping[str, Mapping[str, int]] = {"terms": {"place": 1}, "scoped": {"low": -1, "place": 1}}
"""The order in which each index gives what carries one token (and is about one patient)."""
PART = "part"

Key: TypeAlias = tuple[bytes, str | None]
"""A token, and the patient whom what carries it must be about."""


class ShortFind(NamedTuple):
    """What carries one of `tokens` (and is about `patient`), in the order of the index, at most `limit`.

    `start` are clauses that bound the index further (a later page), `rest` only filter.
    """

    lead: Literal["terms", "scoped"]
    tokens: Sequence[bytes]
    patient: str | None = None
    start: Sequence[Document] = ()
    rest: Sequence[Document] = ()
    limit: int = MOST_DOCUMENTS

    @classmethod
    def of(
        cls, leader: Condition, leading: Document, start: Sequence[Document], rest: Sequence[Document]
    ) -> ShortFind | None:
        """The find that a condition leads, whose clause holds the tokens; `None` for one that is not of this kind."""
        match leader:
            case AnyTerm(_, False, shelf="terms"):
                return cls("terms", _tokens(leading["terms"]), None, start, rest)
            case OfPatients((patient,), _):
                return cls("scoped", _tokens(leading["scoped"]), patient, start, rest)
        return None

    @property
    def keys(self) -> list[Key]:
        return [(token, self.patient) for token in self.tokens]

    @property
    def shape(self) -> tuple[str, bytes]:
        return self.lead, bson.encode({"rest": self.rest}) if self.rest else b""


def _tokens(asked: Any) -> Sequence[bytes]:
    """The tokens of a clause: one alone, or a list of several."""
    return (asked,) if isinstance(asked, bytes) else asked["$in"]


Found: TypeAlias = list[Document]
FindJob: TypeAlias = Job[ShortFind, Found]


class Part(NamedTuple):
    """Finds of one shape, or one find by itself."""

    jobs: list[FindJob]

    @property
    def lead(self) -> str:
        return self.jobs[0].item.lead

    @property
    def limit(self) -> int:
        return sum(job.item.limit for job in self.jobs)

    @property
    def sort(self) -> dict[str, int] | None:
        """One find is in its order; of several, the index gives one after the other."""
        return dict(ORDERS[self.lead]) if len(self.jobs) == 1 else None

    @property
    def fields(self) -> dict[str, Any]:
        """What is fetched; several finds need the tokens to tell whose a document is."""
        return CURRENT_FIELDS if len(self.jobs) == 1 else {**CURRENT_FIELDS, self.lead: 1}

    def filter(self, *, hinted: bool) -> Document:
        """Without a hint, what only filters is written so that the planner tries no other index for it: a double negation
        is the same filter."""
        first = self.jobs[0].item
        rest = first.rest if hinted or not first.rest else [{"$nor": [{"$nor": [{"$and": [*first.rest]}]}]}]
        return {"$and": [self._leading(), *first.start, *rest]}

    def _leading(self) -> Document:
        by_patient: dict[str | None, dict[bytes, None]] = {}
        for job in self.jobs:
            by_patient.setdefault(job.item.patient, {}).update(dict.fromkeys(job.item.tokens))
        clauses = [
            {self.lead: next(iter(tokens)) if len(tokens) == 1 else {"$in": list(tokens)}}
            | ({} if patient is None else {"patient": patient})
            for patient, tokens in by_patient.items()
        ]
        return clauses[0] if len(clauses) == 1 else {"$or": clauses}

    def stages(self, number: int) -> list[Document]:
        """As a part of an aggregate; its documents carry `number`."""
        sort = [{"$sort": self.sort}] if self.sort else []
        fields = {**self.fields, PART: {"$literal": number}}
        return [{"$match": self.filter(hinted=False)}, *sort, {"$limit": self.limit}, {"$project": fields}]

    def taken(self, documents: Sequence[Document]) -> list[Found]:
        """What each find gets of the documents that were found for all, in its order, not yet limited."""
        takers: dict[bytes, list[tuple[str | None, Found]]] = {}
        taken: list[Found] = [[] for _ in self.jobs]
        for job, own in zip(self.jobs, taken, strict=True):
            for token in job.item.tokens:
                takers.setdefault(token, []).append((job.item.patient, own))
        wanted = frozenset(takers)
        for document in documents:
            for token in wanted.intersection(document[self.lead]):
                for patient, own in takers[token]:
                    if (patient is None or patient == document["patient"]) and not (own and own[-1] is document):
                        own.append(document)
        for own in taken:
            own.sort(key=_place if self.lead == "terms" else _newest)
        return taken


def _place(document: Document) -> int:
    place: int = document["place"]
    return place


def _newest(document: Document) -> tuple[bool, float, int]:
    """Later dates first, none last."""
    low = document.get("low")
    return (low is None, 0 if low is None else -low, document["place"])
