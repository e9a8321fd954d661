"""The documents of a transaction, taken out in the order in which they need each other.

IHE MHD ITI-65 (https://profiles.ihe.net/ITI/MHD/ITI-65.html): a Bundle of a List, DocumentReferences and the Binaries they
point at. A Binary belongs to the patient of the DocumentReference that points at it, and the DocumentReference's size and
hash are those of the Binary, though neither is stored yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from domain.identity import FhirJson, ResourceKey
from domain.interactions.bringing import bring
from domain.interactions.brought import Around, Brought, Facts
from domain.interactions.entries import at_entry
from domain.interactions.pacing import side_by_side
from domain.interactions.parts import Occasion, Parts
from domain.revision import Stored

AT_ONCE = 16
"""Documents received together: enough to share round trips and syncs, few enough that none waits long for a reader."""


class Written(Protocol):
    """One entry that writes a whole resource; what it brings is noted on it."""

    index: int
    content: FhirJson | None
    key: ResourceKey | None
    base: Stored | None
    brought: Brought | None

    @property
    def creates_or_replaces(self) -> bool: ...


async def take_out(parts: Parts, occasion: Occasion, steps: Sequence[Written]) -> None:
    """Note on each DocumentReference and Binary of a transaction what it brings."""
    documents = _of_type(steps, "DocumentReference")
    binaries = _of_type(steps, "Binary")
    if not documents and not binaries:
        return
    links = parts.documents.links
    contexts: dict[ResourceKey, ResourceKey] = {}
    for key, content, _ in documents:
        for link in links.links(content):
            contexts.setdefault(link.target, key)
    named = {key for key, _, _ in documents} | {links.context(content) for _, content, _ in binaries}
    patients = {
        step.key: parts.describe.describe(step.content, step.key).patient
        for step in steps
        if step.key in named and step.key is not None and step.content is not None and step.creates_or_replaces
    }
    facts: dict[ResourceKey, Facts] = {}
    around = Around(facts, contexts, patients)

    async def one(document: tuple[ResourceKey, FhirJson, Written]) -> None:
        key, content, step = document
        with at_entry(step.index):
            step.brought = await bring(parts, occasion, key, {**content, "id": key.id}, step.base, around)
        if step.brought.facts is not None:
            facts[key] = step.brought.facts

    # Binaries first: a DocumentReference's words, size and hash are those of its Binary.
    await side_by_side(one, binaries, at_once=AT_ONCE)
    await side_by_side(one, documents, at_once=AT_ONCE)


def _of_type(steps: Sequence[Written], resource_type: str) -> list[tuple[ResourceKey, FhirJson, Written]]:
    return [
        (step.key, step.content, step)
        for step in steps
        if step.key is not None
        and step.key.type == resource_type
        and step.content is not None
        and step.creates_or_replaces
    ]
