"""One kind of resource as people know it: a form that says it, a card that shows it, and the FHIR resource in between.

Most nouns of the clinic are one resource each, and are made, shown, changed, listed and removed the same way: by the
interactions every other client uses, so that checks, access, labels, audit and history are those of FHIR.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Generic, Protocol, TypeVar

import msgspec

from domain.errors import DomainError, Gone
from domain.identity import FhirJson, ResourceKey
from domain.interactions.create import create
from domain.interactions.delete import delete
from domain.interactions.parts import Answer, Occasion, Parts
from domain.interactions.read import read
from domain.interactions.search import search
from domain.interactions.update import update
from domain.search import PageKey

Form_ = TypeVar("Form_", contravariant=True)
Card_ = TypeVar("Card_", covariant=True)
F = TypeVar("F")
C = TypeVar("C")


class Records(Protocol[Form_, Card_]):
    """Forms to resources and resources to cards. Implemented by the modules of `fhir_mapping.friendly`."""

    @property
    def type(self) -> str:
        """The resource type."""
        ...

    def to_fhir(self, form: Form_, *, base: FhirJson | None, now: datetime) -> FhirJson:
        """The resource that says what `form` says: a new one, or `base` with everything kept that the form cannot say.

        Raises `InvalidFields` naming the field. https://hl7.org/fhir/R4/resourcelist.html
        """
        ...

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> Card_:
        """What is shown of it. Understands whatever a FHIR client may have written."""
        ...


class Kept(msgspec.Struct, Generic[C], frozen=True):
    """What was written, and how it is shown."""

    card: C
    answer: Answer

    def __repr__(self) -> str:
        return f"Kept({self.answer.status})"


async def shown(parts: Parts, records: Records[F, C], occasion: Occasion, logical_id: str) -> C:
    """The card of a resource. Raises `NotFound` for what the caller does not see, `Gone` for what was removed."""
    return card_of(parts, records, await read(parts, occasion, ResourceKey(records.type, logical_id)))


async def made(parts: Parts, records: Records[F, C], occasion: Occasion, form: F) -> Kept[C]:
    """Write a new resource. Raises `Forbidden` when the caller may not, `InvalidContent` for what FHIR does not allow."""
    content = records.to_fhir(form, base=None, now=parts.clock())
    parts.validate.check(content)
    answer = await create(parts, occasion, records.type, content)
    return Kept(card_of(parts, records, answer), answer)


async def altered(
    parts: Parts,
    records: Records[F, C],
    occasion: Occasion,
    logical_id: str,
    form: F,
    *,
    if_match: frozenset[str] | None = None,
) -> Kept[C]:
    """Say something else of a resource; what the form cannot say stays. Raises `VersionConflict` when `if_match` does not
    hold, or somebody else changed it meanwhile."""
    key = ResourceKey(records.type, logical_id)
    before = await read(parts, occasion, key)
    content = records.to_fhir(form, base=parts.reading.decoded(before.content or b"{}"), now=parts.clock())
    parts.validate.check(content)
    seen = frozenset({str(before.head.version)}) if before.head else None
    answer = await update(parts, occasion, key, content, if_match=seen if if_match is None else if_match)
    return Kept(card_of(parts, records, answer), answer)


async def removed(
    parts: Parts, occasion: Occasion, key: ResourceKey, *, if_match: frozenset[str] | None = None
) -> Answer:
    """Delete a resource; its history stays. Raises `NotFound`, `Forbidden`, `VersionConflict`."""
    return await delete(parts, occasion, key, if_match=if_match)


async def listed(
    parts: Parts,
    records: Records[F, C],
    occasion: Occasion,
    pairs: Sequence[tuple[str, str]],
    *,
    after: PageKey | None,
    count: int,
) -> tuple[Sequence[C], PageKey | None]:
    """A page of what the search parameters `pairs` select of what the caller sees, and where the next begins."""
    query = parts.search.parse(records.type, [*pairs, ("_total", "none")], strict=True).query
    found = await search(parts, occasion, msgspec.structs.replace(query, after=after, count=count))
    cards = [
        records.from_fhir(parts.reading.decoded(entry.content), version=entry.head.version, updated=entry.head.recorded)
        for entry in found.matches
        if not isinstance(entry.content, DomainError)
    ]
    return cards, found.next


def card_of(parts: Parts, records: Records[F, C], answer: Answer) -> C:
    """The card of a version that was read or written."""
    if answer.head is None or answer.content is None:
        raise Gone("There is no content")
    content = parts.reading.decoded(answer.content)
    return records.from_fhir(content, version=answer.head.version, updated=answer.head.recorded)
