"""Short finds that wait at the same time share one round trip, and those of one shape one walk along their index.

A find costs PyMongo and the database 0.2 ms each before it has found anything. Finds that differ in nothing but what they
look for become one find for any of it, and what it finds is handed out by the tokens it carries; finds of several shapes
become the parts of one aggregate, https://www.mongodb.com/docs/v6.0/reference/operator/aggregation/unionWith/. Measured in
`DECISIONS.md`.

Invariant: each find gets exactly what it would have got alone. A walk that was cut by its limit tells that something it looks
for is common: its finds are asked again as parts of their own, and what was common from then on. Whatever fails is asked one
by one.
"""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.errors import OperationFailure

from domain.errors import Unavailable
from storage.mongo.batching import OneInFlight
from storage.mongo.client import Collection
from storage.mongo.failures import translated
from storage.mongo.lane import Lane
from storage.mongo.short_finds import PART, FindJob, Found, Key, Part, ShortFind

MOST = 16
"""Finds of one round trip: what is slow among them holds up no more than these."""
MOST_COMMON = 10_000
_SENTENCE = "The search was not answered"


class JointFinds:
    """The short finds of one collection. `close` it before the client."""

    def __init__(self, collection: Collection, *, search_ms: int) -> None:
        self._lane = Lane(collection.database, zoned=False)
        self._collection = collection.name
        self._search_ms = search_ms
        self._common: dict[Key, None] = {}
        self._batches = OneInFlight[ShortFind, Found](self._run, most=MOST)

    async def documents(self, find: ShortFind) -> Found:
        """What it finds, in its order. Raises `Unavailable`."""
        return await self._batches.submit(find)

    async def close(self) -> None:
        await self._batches.close()
        await self._lane.close()

    async def _run(self, jobs: Sequence[FindJob]) -> None:
        with translated(_SENTENCE):
            again = await self._answered(self._parts(jobs))
            if again:
                again = await self._answered([Part([job]) for job in again])
        for job in again:
            try:
                with translated(_SENTENCE):
                    job.answer(await self._alone(Part([job])))
            except Unavailable as error:
                job.fail(error)

    def _parts(self, jobs: Sequence[FindJob]) -> list[Part]:
        shapes: dict[tuple[str, bytes], Part] = {}
        alone: list[Part] = []
        for job in jobs:
            find = job.item
            if find.start or self.is_common(find):
                alone.append(Part([job]))
            else:
                shapes.setdefault(find.shape, Part([])).jobs.append(job)
        return [*shapes.values(), *alone]

    async def _answered(self, parts: Sequence[Part]) -> list[FindJob]:
        """Answer what can be answered; returns the rest."""
        try:
            found = await self._asked(parts)
        except OperationFailure:
            # One of them took too long, or was refused.
            return [job for part in parts for job in part.jobs]
        left: list[FindJob] = []
        for part, documents in zip(parts, found, strict=True):
            taken = [documents] if len(part.jobs) == 1 else part.taken(documents)
            if len(part.jobs) > 1 and len(documents) == part.limit:
                for job, own in zip(part.jobs, taken, strict=True):
                    if len(own) >= job.item.limit:
                        self.remember_common(job.item)
                left += part.jobs
                continue
            for job, own in zip(part.jobs, taken, strict=True):
                job.answer(own[: job.item.limit])
        return left

    async def _asked(self, parts: Sequence[Part]) -> list[Found]:
        """The documents of each part, at most its limit."""
        if len(parts) == 1:
            return [await self._alone(parts[0])]
        pipeline = parts[0].stages(0)
        for number, part in enumerate(parts[1:], start=1):
            pipeline.append({"$unionWith": {"coll": self._collection, "pipeline": part.stages(number)}})
        found: list[Found] = [[] for _ in parts]
        for document in await self._lane.aggregate(
            self._collection, pipeline, hint=parts[0].lead, maxTimeMS=self._search_ms
        ):
            found[document[PART]].append(document)
        return found

    async def _alone(self, part: Part) -> Found:
        order = {} if part.sort is None else {"sort": part.sort}
        return await self._lane.find(
            self._collection,
            part.filter(hinted=True),
            part.fields,
            limit=part.limit,
            hint=part.lead,
            maxTimeMS=self._search_ms,
            **order,
        )

    def is_common(self, find: ShortFind) -> bool:
        """Whether what it looks for was seen to be more than a find gives."""
        return not self._common.keys().isdisjoint(find.keys)

    def remember_common(self, find: ShortFind) -> None:
        self._common.update(dict.fromkeys(find.keys))
        while len(self._common) > MOST_COMMON:
            del self._common[next(iter(self._common))]
