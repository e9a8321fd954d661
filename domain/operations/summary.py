"""Patient/$summary: https://hl7.org/fhir/uv/ips/OperationDefinition-summary.html

A document of what the next clinician must know: problems, allergies and medications always, with a reason where there are none;
other sections where there is something. It holds what the caller may read, and says `withheld` where that is nothing by rule:
an empty list of allergies must never look like "no allergies".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple, Protocol, TypeAlias

import msgspec

from domain import access
from domain.identity import FhirJson, ResourceKey
from domain.interactions.guarding import visible
from domain.interactions.links import solve_links
from domain.interactions.pacing import side_by_side
from domain.interactions.parts import Occasion, Parts
from domain.interactions.read import read
from domain.revision import encode
from domain.search import Inclusion

MOST = 200
"""Resources of one part of a section."""
Absence: TypeAlias = Literal["unavailable", "withheld"]
"""https://hl7.org/fhir/R4/valueset-list-empty-reason.html"""


class Part(NamedTuple):
    """Resources of a section: those of a type that `pairs` select, at most `most`."""

    type: str
    pairs: tuple[tuple[str, str], ...] = ()
    most: int = MOST


class Section(NamedTuple):
    """A section of the document: its LOINC code and title. A `required` one is there when it is empty, too."""

    code: str
    title: str
    parts: tuple[Part, ...]
    required: bool = False


class Filled(NamedTuple):
    """A section with what is in it; `absence` says why there is nothing."""

    section: Section
    resources: Sequence[FhirJson]
    absence: Absence | None


class Summary(msgspec.Struct, frozen=True):
    """The document, and which versions it shows."""

    content: bytes
    targets: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Summary({len(self.targets)} resources)"


class SummaryRecords(Protocol):
    """Sections and the document of them. Implemented by `fhir_mapping.summary`."""

    def sections(self) -> Sequence[Section]: ...

    def document(
        self, patient: FhirJson, sections: Sequence[Filled], others: Sequence[FhirJson], *, id: str, now: datetime
    ) -> bytes:
        """The Bundle of type document; `others` are what its resources point at."""
        ...


async def summary(parts: Parts, records: SummaryRecords, occasion: Occasion, key: ResourceKey) -> Summary:
    """The summary of a patient. Raises `NotFound`, `Gone`."""
    answer = await read(parts, occasion, key)
    patient = parts.reading.decoded(answer.content or b"{}")

    async def filled(section: Section) -> Filled:
        readable = [part for part in section.parts if occasion.caller.may("r", part.type)]
        found = [each for part in readable for each in await _resources(parts, occasion, key, part)]
        return Filled(section, found, None if found else "unavailable" if readable else "withheld")

    sections = await side_by_side(filled, list(records.sections()), at_once=4)
    shown = [each for each in sections if each.resources or each.section.required]
    others = await _pointed_at(parts, occasion, [patient, *(one for each in shown for one in each.resources)])
    content = records.document(patient, shown, others, id=parts.new_id(), now=parts.clock())
    everything = [patient, *(one for each in shown for one in each.resources), *others]
    targets = tuple(dict.fromkeys(f"{each['resourceType']}/{each['id']}" for each in everything))
    return Summary(content, targets)


async def _resources(parts: Parts, occasion: Occasion, patient: ResourceKey, part: Part) -> list[FhirJson]:
    pairs = [("patient", patient.id), *part.pairs, ("_total", "none")]
    query = msgspec.structs.replace(parts.search.parse(part.type, pairs, strict=True).query, count=part.most)
    narrowed = access.narrow(occasion.caller, query, "r")
    page = await parts.store.find(await solve_links(parts, occasion.caller, narrowed))
    contents = await parts.store.open(page.matches)
    return [parts.reading.decoded(content) for content in contents if isinstance(content, bytes)]


async def _pointed_at(parts: Parts, occasion: Occasion, resources: Sequence[FhirJson]) -> list[FhirJson]:
    """What these point at outside of every patient's record, as far as the caller may read it: practitioners, medications."""
    anything, inside = [Inclusion(None, None)], set(parts.search.types_within("Patient"))
    keys = {
        key
        for each in resources
        for key in parts.reading.references(encode(each), anything)
        if key.type not in inside and occasion.caller.may("r", key.type)
    }
    stored = [one for one in await parts.store.newest_of(sorted(keys)) if one is not None and not one.head.deleted]
    seen = await visible(parts, occasion.caller, stored)
    contents = await parts.store.open(seen)
    return [parts.reading.decoded(content) for content in contents if isinstance(content, bytes)]
