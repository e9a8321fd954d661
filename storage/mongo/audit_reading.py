"""`domain.audit_reading.AuditReading` on MongoDB: filters on plain fields, sealed values opened one by one when allowed.

Every filter is part of the query, the reasons of access included; nothing is dropped after the limit. Each filter a
question starts with has an index that also gives the order (`storage/mongo/indexes.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from domain.audit_check import Examined
from domain.audit_reading import AuditPage, AuditQuery, AuditRecord, Opening, Scope
from domain.errors import IntegrityFailure
from domain.history_query import HistoryKey
from storage.crypto.keys import Keyring
from storage.crypto.sealing import SealingKey, open_sealed, place
from storage.mongo.client import Database, Document
from storage.mongo.documents import AUDIT
from storage.mongo.failures import translated
from storage.mongo.verification_parts import examine_part

SEARCH_MS = 10_000
_IN = {
    "_id": "ids",
    "subject": "subjects",
    "profiles": "profiles",
    "patients": "patients",
    "interaction": "interactions",
    "action": "actions",
    "outcome": "outcomes",
    "roles": "roles",
}
"""Stored field to filter of the query."""


class MongoAuditReading:
    """The entries of one database."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._entries = database[AUDIT]
        self._keyring = keyring

    async def find(self, query: AuditQuery) -> AuditPage:
        """See `domain.audit_reading.AuditReading.find`."""
        clauses = list(_clauses(query))
        direction = 1 if query.oldest_first else -1
        here = clauses if query.after is None else [*clauses, _beyond(query.after, direction)]
        with translated("The audit could not be read"):
            found: list[Document] = []
            if query.count:
                cursor = self._entries.find(_all(here), max_time_ms=SEARCH_MS)
                found = (
                    await cursor.sort([("recorded", direction), ("_id", direction)]).limit(query.count + 1).to_list()
                )
            total = await self._entries.count_documents(_all(clauses), maxTimeMS=SEARCH_MS) if query.total else None
        shown = [_record(document) for document in found[: query.count]]
        more = len(found) > query.count > 0
        return AuditPage(shown, HistoryKey(shown[-1].recorded, shown[-1].id) if more else None, total)

    async def open(self, records: Sequence[AuditRecord], openings: Sequence[Opening]) -> list[AuditRecord]:
        """See `domain.audit_reading.AuditReading.open`."""
        wanted = [record.handle["key"] for record, opening in zip(records, openings, strict=True) if any(opening)]
        keys = await self._keyring.for_reading({key for key in wanted if key is not None})
        return [_opened(record, opening, keys) for record, opening in zip(records, openings, strict=True)]

    async def examine(self, place: str, count: int) -> Examined:
        """See `domain.audit_check.AuditCheck`."""
        return await examine_part(self._database, self._keyring, place, count)


def _all(clauses: Sequence[Document]) -> Document:
    return {"$and": list(clauses)} if clauses else {}


def _clauses(query: AuditQuery) -> Iterator[Document]:
    """What must hold, each on its own: access, then the filters."""
    yield _any(_scope(scope) for scope in query.scopes)
    for field, name in _IN.items():
        values = getattr(query, name)
        if values is not None:
            yield {field: {"$in": list(values)}}
    if query.other_than is not None:
        yield {"interaction": {"$nin": list(query.other_than)}}
    if query.targets is not None:
        yield _any(_about(target) for target in query.targets)
    for low, high in query.times:
        bounds = {name: value for name, value in (("$gte", low), ("$lt", high)) if value is not None}
        if bounds:
            yield {"recorded": bounds}


def _any(alternatives: Iterable[Document]) -> Document:
    found = list(alternatives)
    if not found:
        return {"_id": {"$in": []}}
    return found[0] if len(found) == 1 else {"$or": found}


def _scope(scope: Scope) -> Document:
    found: Document = {}
    if scope.subject is not None:
        found["subject"] = scope.subject
    if scope.organizations is not None:
        found["organizations"] = {"$in": list(scope.organizations)}
    if scope.system:
        found["patients"] = []
    if scope.patients is not None:
        mine = list(scope.patients)
        found["patients"] = {"$in": mine} if not scope.alone else {"$in": mine, "$not": {"$elemMatch": {"$nin": mine}}}
    return found


def _about(target: str) -> Document:
    """Entries about any version of `Type/id`; about a patient also those that say so by number alone."""
    alternatives: list[Document] = [{"targets": {"$in": [target, re.compile(f"^{re.escape(target)}/")]}}]
    kind, _, logical_id = target.partition("/")
    if kind == "Patient":
        alternatives.append({"patients": logical_id})
    return _any(alternatives)


def _beyond(key: HistoryKey, direction: int) -> Document:
    further = "$gt" if direction > 0 else "$lt"
    bound = "$gte" if direction > 0 else "$lte"
    return {
        "recorded": {bound: key.recorded},
        "$or": [{"recorded": {further: key.recorded}}, {"_id": {further: key.name}}],
    }


def _record(document: Document) -> AuditRecord:
    return AuditRecord(
        id=document["_id"],
        recorded=document["recorded"],
        interaction=document["interaction"],
        action=document["action"],
        outcome=document["outcome"],
        status=document["status"],
        subject=document["subject"],
        client=document["client"],
        request_id=document["request_id"],
        targets=tuple(document["targets"]),
        patients=tuple(document["patients"]),
        roles=tuple(document.get("roles", ())),
        profiles=tuple(document.get("profiles", ())),
        organizations=tuple(document.get("organizations", ())),
        purpose=tuple(document.get("purpose", ())),
        has_query="query" in document,
        handle={name: document.get(name) for name in ("key", "query", "network")},
    )


def _opened(record: AuditRecord, opening: Opening, keys: dict[str, SealingKey]) -> AuditRecord:
    sealed = record.handle
    key = keys.get(sealed["key"] or "")
    return msgspec.structs.replace(
        record,
        query=_text(record, key, "query") if opening.query else None,
        network=_text(record, key, "network") if opening.network else None,
        handle=None,
    )


def _text(record: AuditRecord, key: SealingKey | None, field: str) -> str | None:
    sealed = record.handle[field]
    if sealed is None:
        return None
    if key is None or not isinstance(sealed, bytes):
        raise IntegrityFailure("An audit entry is not what was recorded")
    return open_sealed(key, place(f"{AUDIT}/{record.id}/{field}"), sealed).decode()
