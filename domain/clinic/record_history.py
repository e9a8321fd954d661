"""What became of a medical record: its versions with who wrote them, each as it was, and what differs between two.

A version shows its findings as they were while it was the newest. For who may see older versions (right `h`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from domain.audit_reading import AuditReading
from domain.clinic.authors import Author, authors_of
from domain.clinic.medical_record_cards import KIND, Finding, MedicalRecords, RecordCard
from domain.errors import DomainError, Gone, NotFound
from domain.history_query import HistoryQuery
from domain.identity import ResourceKey
from domain.interactions.history import history
from domain.interactions.parts import Occasion, Parts

MOST = 200
INTERACTIONS = ("medical-record-create", "medical-record-update", "medical-record-delete")


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """One version: its record, or none for a deletion; who wrote it, where that is known."""

    version: int
    updated_at: datetime
    deleted: bool
    author: Author | None
    card: RecordCard | None = None

    def __repr__(self) -> str:
        return f"Past({self.version})"


class Difference(NamedTuple):
    """A field that two versions say differently: `diagnosis[c1].text`. `None` is not there."""

    path: str
    before: Any
    after: Any


async def versions(
    parts: Parts, records: MedicalRecords, audit: AuditReading, occasion: Occasion, logical_id: str
) -> Sequence[Past]:
    """The versions of a record, newest first, without their findings. Raises `NotFound`, `Forbidden`."""
    key = ResourceKey(KIND, logical_id)
    page = await history(parts, occasion, HistoryQuery(key=key, count=MOST))
    authors = await authors_of(audit, key, INTERACTIONS)
    found = []
    for head, content in zip(page.heads, page.contents, strict=True):
        if isinstance(content, DomainError):
            raise content
        card = None
        if content is not None:
            card = records.from_fhir(parts.reading.decoded(content), version=head.version, updated=head.recorded)
        found.append(
            Past(
                version=head.version,
                updated_at=head.recorded,
                deleted=head.deleted,
                author=authors.get(head.version),
                card=card,
            )
        )
    return found


async def version(
    parts: Parts, records: MedicalRecords, audit: AuditReading, occasion: Occasion, logical_id: str, number: int
) -> Past:
    """One version with its findings as they were. Raises `NotFound`, `Gone` for a deletion."""
    return await _filled(parts, records, occasion, await versions(parts, records, audit, occasion, logical_id), number)


async def differences(
    parts: Parts,
    records: MedicalRecords,
    audit: AuditReading,
    occasion: Occasion,
    logical_id: str,
    numbers: tuple[int, int],
) -> tuple[Past, Past, Sequence[Difference]]:
    """Two versions, and every field that they say differently."""
    known = await versions(parts, records, audit, occasion, logical_id)
    older, newer = [await _filled(parts, records, occasion, known, number) for number in numbers]
    return older, newer, tuple(compared(_fields(older.card), _fields(newer.card)))


async def _filled(
    parts: Parts, records: MedicalRecords, occasion: Occasion, known: Sequence[Past], number: int
) -> Past:
    place = next((place for place, each in enumerate(known) if each.version == number), None)
    if place is None:
        raise NotFound(f"There is no version {number}")
    past = known[place]
    if past.card is None:
        raise Gone(f"Version {number} is a deletion")
    until = known[place - 1].updated_at if place else None
    rows = await asyncio.gather(
        *(_finding(parts, records, occasion, key, past.updated_at, until) for key in past.card.parts)
    )
    filled = past.card.filled({key: finding for key, finding in rows if finding is not None})
    return msgspec.structs.replace(past, card=filled)


async def _finding(
    parts: Parts,
    records: MedicalRecords,
    occasion: Occasion,
    key: ResourceKey,
    since: datetime,
    until: datetime | None,
) -> tuple[ResourceKey, Finding | None]:
    """What a finding said last while a version was the newest."""
    try:
        page = await history(parts, occasion, HistoryQuery(key=key, at_low=since, at_high=until, count=1))
    except DomainError:
        return key, None
    content = next((each for each in page.contents if isinstance(each, bytes)), None)
    return key, None if content is None else records.finding(parts.reading.decoded(content))


def compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    """The fields of two mappings that differ. Rows with an `id` are told apart by it, other tuples by their values."""
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, tuple) and isinstance(new, tuple):
            yield from _rows(name, old, new)
        else:
            yield Difference(name, old, new)


def _rows(name: str, old: Sequence[Any], new: Sequence[Any]) -> Iterator[Difference]:
    if not all(isinstance(each, dict) for each in (*old, *new)):
        yield from (Difference(name, each, None) for each in old if each not in new)
        yield from (Difference(name, None, each) for each in new if each not in old)
        return
    before, after = ({str(each["id"]): each for each in rows} for rows in (old, new))
    for key in dict.fromkeys((*before, *after)):
        path = f"{name}[{key}]"
        if key in before and key in after:
            fields = compared(before[key], after[key])
            yield from (Difference(f"{path}.{each.path}", each.before, each.after) for each in fields)
        else:
            yield Difference(path, before.get(key), after.get(key))


def _fields(card: RecordCard | None) -> dict[str, Any]:
    """What a record says, by the names it is shown with."""
    if card is None:
        return {}
    fields: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(card, doctor=None))
    fields["doctorId"] = None if card.doctor is None else card.doctor.id
    for name in ("id", "version", "updated_at", "doctor", "status"):
        del fields[name]
    return {_camel(name): value for name, value in fields.items()}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(each.title() for each in rest)
