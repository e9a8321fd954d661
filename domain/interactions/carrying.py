"""A change together with everything its resource brings: https://hl7.org/fhir/R4/datatypes.html#Attachment

What `bringing` took out becomes changes of the same write: the Binaries of moved data, and the documents that are
superseded. For the resources that bring nothing, nearly all, this is `writing.changed`.
"""

from __future__ import annotations

import msgspec

from domain.errors import DomainError
from domain.identity import FhirJson, ResourceKey
from domain.interactions.bringing import brought_by
from domain.interactions.brought import Brought, NewBinary
from domain.interactions.parts import Occasion, Parts
from domain.interactions.writing import Planned, changed
from domain.revision import Change, Claim, Method, Stored


async def carried(
    parts: Parts,
    occasion: Occasion,
    key: ResourceKey,
    content: FhirJson,
    *,
    method: Method,
    base: Stored | None,
    claims: tuple[Claim, ...] = (),
) -> Planned:
    """The plan that makes `content` the next version of `key`, with the documents it brings."""
    brought = await brought_by(parts, occasion, key, content, base)
    return await planned_of(parts, occasion, key, brought, method=method, base=base, claims=claims)


async def planned_of(
    parts: Parts,
    occasion: Occasion,
    key: ResourceKey,
    brought: Brought,
    *,
    method: Method,
    base: Stored | None,
    claims: tuple[Claim, ...] = (),
) -> Planned:
    """The plan of a resource whose documents have been taken out."""
    change, answer = changed(parts, occasion, key, brought.content, method=method, base=base, found=brought.found)
    if brought.warnings:
        answer = msgspec.structs.replace(answer, warnings=brought.warnings)
    if not (brought.binaries or brought.superseded or brought.blob or brought.adopted):
        return Planned(answer, change, claims)
    others = [_binary(parts, occasion, made) for made in brought.binaries]
    others += await _superseded(parts, occasion, brought.superseded)
    name = key.at(change.revision.version)
    blobs = [claim for made in brought.binaries for claim in made.claims]
    blobs += [] if brought.blob is None else [brought.blob.blob.claim(name)]
    blobs += [each.blob.claim(name, each.replaces) for each in brought.adopted]
    return Planned(answer, change, claims, tuple(others), tuple(blobs))


def _binary(parts: Parts, occasion: Occasion, made: NewBinary) -> Change:
    method: Method = "POST" if made.base is None else "PUT"
    return changed(parts, occasion, made.key, made.content, method=method, base=made.base, found=made.words)[0]


async def _superseded(parts: Parts, occasion: Occasion, bases: tuple[Stored, ...]) -> list[Change]:
    """The next versions of replaced documents, all they were but no longer current."""
    contents, words = await parts.store.open(bases), await parts.store.found(bases)
    changes: list[Change] = []
    for base, content, found in zip(bases, contents, words, strict=True):
        if isinstance(content, DomainError):
            raise content
        document = parts.reading.decoded(content)
        if document.get("status") == "superseded":
            continue
        document["status"] = "superseded"
        change, _ = changed(parts, occasion, base.head.key, document, method="PUT", base=base, found=found)
        changes.append(change)
    return changes
