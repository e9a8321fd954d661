"""Who wrote which version: told by the audit, which holds every write with the version it made.

https://hl7.org/fhir/R4/http.html#history does not tell it. Whoever may see a version may know who wrote it.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from domain.audit_reading import AuditQuery, AuditReading
from domain.identity import ResourceKey

WRITES = ("create", "update", "patch", "delete", "transaction", "batch", "operation")
PAGE, MOST = 200, 2_000


class Author(msgspec.Struct, frozen=True):
    """Somebody as they were when they wrote: their subject, and who they are in the records."""

    subject: str
    profile: str | None = None
    at: datetime | None = None


async def authors_of(audit: AuditReading, key: ResourceKey, interactions: tuple[str, ...]) -> dict[int, Author]:
    """Who wrote each version of a resource, by FHIR or by one of the named interactions.

    A version that came in otherwise, or too long ago among thousands, is missing.
    """
    found: dict[int, Author] = {}
    query = AuditQuery(
        targets=(str(key),), interactions=(*WRITES, *interactions), outcomes=("0",), oldest_first=True, count=PAGE
    )
    for _ in range(MOST // PAGE):
        page = await audit.find(query)
        for record in page.records:
            for target in record.targets:
                version = target.removeprefix(f"{key}/")
                if version != target and version.isdigit():
                    author = Author(record.subject, next(iter(record.profiles), None), record.recorded)
                    found.setdefault(int(version), author)
        if page.next is None:
            break
        query = msgspec.structs.replace(query, after=page.next)
    return found
