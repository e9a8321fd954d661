"""What became of a document: every version of what is said of it, and before that those of the files it replaced.

https://hl7.org/fhir/R4/documentreference-definitions.html#DocumentReference.relatesTo
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.clinic.document_cards import DocumentCard, DocumentRecords
from domain.clinic.documents import KIND
from domain.errors import Forbidden, NotFound
from domain.history_query import HistoryQuery
from domain.identity import ResourceKey
from domain.interactions.history import history
from domain.interactions.parts import Occasion, Parts

MOST_FILES, MOST_VERSIONS = 20, 50
"""How far back is looked: files that replaced each other, and versions of each."""


async def past(parts: Parts, records: DocumentRecords, occasion: Occasion, key: ResourceKey) -> Sequence[DocumentCard]:
    """The versions of a document, newest first, then those of the files it replaced, as far as the caller may see them."""
    found: list[DocumentCard] = []
    seen: set[ResourceKey] = set()
    following: ResourceKey | None = key
    while following is not None and following not in seen and len(seen) < MOST_FILES:
        seen.add(following)
        try:
            page = await history(parts, occasion, HistoryQuery(key=following, count=MOST_VERSIONS))
        except (NotFound, Forbidden):
            if following == key:
                raise
            break
        cards = [
            records.from_fhir(parts.reading.decoded(content), version=head.version, updated=head.recorded)
            for head, content in zip(page.heads, page.contents, strict=True)
            if isinstance(content, bytes)
        ]
        found += cards
        older = next((card.replaces for card in cards if card.replaces), None)
        following = None if older is None else ResourceKey(KIND, older)
    return found
