"""The SearchParameters stored here, as one process knows them: https://hl7.org/fhir/R4/searchparameter.html

Looked at every second, whichever process changed them. The newest of all and their number tell whether anything did.
"""

from __future__ import annotations

import msgspec

from domain.identity import FhirJson
from domain.interactions.parts import Parts
from domain.jobs import CustomSearch, Job, Jobs
from domain.revision import Stored
from domain.search import AnyTerm, SearchQuery, term

_ACTIVE = AnyTerm((term("status", "c", "active"),))


class KnownParameters:
    """Keeps one process up to date with the SearchParameters stored here, by whichever process."""

    def __init__(self, parts: Parts, jobs: Jobs, custom: CustomSearch) -> None:
        self._parts = parts
        self._jobs = jobs
        self._custom = custom
        self._seen: tuple[str, int, int] | None = None

    async def refresh(self) -> None:
        """Read them again if any changed or waits for its job, and queue the jobs that are missing."""
        latest = SearchQuery("SearchParameter", count=1, sort="-_lastUpdated", total="accurate")
        page = await self._parts.store.find(latest)
        head = page.matches[0].head if page.matches else None
        seen = ("", 0, 0) if head is None else (head.key.id, head.version, page.total or 0)
        if seen == self._seen:
            return
        rows: list[tuple[FhirJson, bool]] = []
        for stored, content in await _active(self._parts):
            resource = self._parts.reading.decoded(content)
            types = self._custom.types_of(resource)
            if types:
                job = await self._jobs.enqueue(Job(job_id(stored), types, self._parts.clock()))
                rows.append((resource, job.state == "completed"))
        self._custom.replace(rows)
        # One that waits for its job is looked at again until the job is done.
        self._seen = seen if all(usable for _, usable in rows) else None


async def _active(parts: Parts) -> list[tuple[Stored, bytes]]:
    """The active SearchParameters that can be opened, in order of their ids: the first of two with one code counts."""
    found: list[tuple[Stored, bytes]] = []
    query: SearchQuery | None = SearchQuery("SearchParameter", (_ACTIVE,), count=500, total="none")
    while query is not None:
        page = await parts.store.find(query)
        contents = await parts.store.open(page.matches)
        found += [(s, c) for s, c in zip(page.matches, contents, strict=True) if isinstance(c, bytes)]
        query = msgspec.structs.replace(query, after=page.next) if page.next is not None else None
    return found


def job_id(parameter: Stored) -> str:
    """The job that makes one version of a parameter usable."""
    return f"{parameter.head.key.id}.{parameter.head.version}"
