"""The documents a resource brings with it, taken out before it is stored: https://hl7.org/fhir/R4/datatypes.html#Attachment

Inline data becomes a blob with a Binary of its own, and the Attachment points there; size and hash are checked, or set. A
Binary's own data becomes a blob. A DocumentReference is found by the words of its documents, and marks what it replaces as
superseded in the same write (IHE MHD ITI-65 and ITI-105, https://profiles.ihe.net/ITI/MHD/). What a Binary or another
document tells is used only if the caller may read it: otherwise words and hashes would be an oracle.
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Mapping

from domain.blobs import Expected
from domain.documents.base64_data import decoded, digest_of
from domain.documents.linking import InlineData
from domain.errors import Forbidden, InvalidContent, Issue, NotFound
from domain.identity import FhirJson, ResourceKey
from domain.interactions.adopting import adopted
from domain.interactions.binary_content import bring_binary, readable
from domain.interactions.brought import NOTHING_AROUND, Around, Brought, Facts, NewBinary, facts_of
from domain.interactions.guarding import seen
from domain.interactions.parts import Occasion, Parts, opened
from domain.interactions.receiving import receive
from domain.revision import Stored

DOCUMENTS = frozenset({"DocumentReference"})
"""Types whose every document is moved out, however small, because others retrieve it by itself."""


def brings(parts: Parts, key: ResourceKey, content: FhirJson) -> bool:
    """Whether there may be anything to take out; for most resources a look at their type and a walk that finds nothing."""
    return key.type in ("Binary", "DocumentReference") or bool(_moved(parts, key, content))


def _moved(parts: Parts, key: ResourceKey, content: FhirJson) -> list[InlineData]:
    found = parts.documents.links.inline(content)
    if key.type in DOCUMENTS:
        return found
    longest = parts.documents.kept_bytes * 4 // 3
    return [each for each in found if len(each.data) > longest]


async def brought_by(
    parts: Parts,
    occasion: Occasion,
    key: ResourceKey,
    content: FhirJson,
    base: Stored | None,
    around: Around = NOTHING_AROUND,
) -> Brought:
    """What a resource brings; for most, itself and nothing else."""
    return await bring(parts, occasion, key, content, base, around) if brings(parts, key, content) else Brought(content)


async def bring(
    parts: Parts,
    occasion: Occasion,
    key: ResourceKey,
    content: FhirJson,
    base: Stored | None,
    around: Around = NOTHING_AROUND,
) -> Brought:
    """Take out what `content`, about to become the next version of `key`, brings with it. `content` is not changed.

    Raises `UnsupportedMedia`, `TooLarge`, `InvalidContent` with the element concerned (a wrong hash or size, base64 that is
    none), and whatever kept the bytes from being stored.
    """
    if key.type == "Binary":
        return await bring_binary(parts, occasion, key, content, base, around)
    content = copy.deepcopy(content)
    patient = parts.describe.describe(content, key).patient
    found: set[str] = set()
    binaries: list[NewBinary] = []
    kept = await _moved_before(parts, base) if base is not None else {}
    for each in _moved(parts, key, content):
        made, facts = await _moved_out(parts, key, patient, each, kept)
        binaries += [] if made is None else [made]
        found |= facts.words
    if key.type != "DocumentReference":
        return Brought(content, frozenset(found), tuple(binaries))
    known = {made.key for made in binaries}
    for link in parts.documents.links.links(content):
        if link.target in known:
            continue
        there = around.facts.get(link.target)
        if there is None and link.target not in around.patients:
            there, adopted = await _facts(parts, occasion, link.target, key, patient)
            binaries += adopted
        if there is not None:
            _complete(parts, link.path, link.node, there)
            found |= there.words
    superseded, warnings = await replaced(parts, occasion, content, base, around)
    return Brought(content, frozenset(found), tuple(binaries), superseded, warnings=warnings)


async def _moved_out(
    parts: Parts, key: ResourceKey, patient: str | None, each: InlineData, kept: Mapping[str, str]
) -> tuple[NewBinary | None, Facts]:
    """A Binary of the inline data, and the Attachment pointing at it; none when the version before has the same."""
    node, tools = each.node, parts.documents
    stream = decoded(each.data, f"{each.path}.data")
    received = await receive(
        parts, stream, patient=patient, declared=node.get("contentType"), title=node.get("title"),
        expected=_stated(node, each.path),
    )  # fmt: skip
    del node["data"]
    node.pop("_data", None)
    target = ResourceKey("Binary", parts.new_id())
    blob = received.blob
    node["contentType"] = blob.content_type
    facts = facts_of(received)
    _complete(parts, each.path, node, facts)
    node["url"] = kept.get(node["hash"], str(target))
    if node["url"] != str(target):
        await parts.blobs.discard([blob])
        return None, facts
    made = tools.links.binary(
        {}, media_type=blob.content_type, blob=blob.id, context=str(key), patient=patient, scan=received.scan
    )
    return NewBinary(target, made, facts.words, (blob.claim(target.at(1)),)), facts


async def _moved_before(parts: Parts, base: Stored) -> dict[str, str]:
    """Where the documents of the version before are, by hash, so that sending one again makes no second Binary."""
    if base.head.deleted or base.head.erased:
        return {}
    before = parts.reading.decoded(await opened(parts, base))
    return {link.node["hash"]: link.node["url"] for link in parts.documents.links.links(before) if "hash" in link.node}


def _stated(node: FhirJson, path: str) -> Expected | None:
    """What an Attachment says of its data."""
    size, text = node.get("size"), node.get("hash")
    if size is None and text is None:
        return None
    return Expected(size=size, sha1=digest_of(text, f"{path}.hash") if text is not None else None)


def _complete(parts: Parts, path: str, node: FhirJson, facts: Facts) -> None:
    """Hold size and hash of an Attachment against its document, or set them. Raises `InvalidContent`."""
    stated = _stated(node, path)
    if stated is not None and stated.size not in (None, facts.size):
        raise InvalidContent("The document has another size", code="value", expression=f"{path}.size")
    if stated is not None and stated.sha1 not in (None, facts.sha1):
        raise InvalidContent("The document has another hash", code="value", expression=f"{path}.hash")
    node["size"] = facts.size
    node.setdefault("hash", base64.b64encode(facts.sha1).decode())
    parts.documents.links.count_pages(node, facts.pages)


async def _facts(
    parts: Parts, occasion: Occasion, target: ResourceKey, key: ResourceKey, patient: str | None
) -> tuple[Facts | None, list[NewBinary]]:
    """What a stored Binary tells of its document; nothing when there is none that the caller may read.

    A Binary that is nobody's becomes the patient's (`adopting`): a new version, sealed under the patient's key.
    """
    try:
        base, content = await readable(parts, occasion, target)
        blob_id, head = parts.documents.links.blob(content), base.head
        if blob_id is None:
            return None, []
        blob = await parts.blobs.stat(blob_id, patient=head.patient)
    except (NotFound, Forbidden):
        return None, []
    (words,) = await parts.store.found([base])
    facts = Facts(blob.size, blob.sha1, words)
    free = head.patient is None and "securityContext" not in content
    if not free or patient is None or not occasion.caller.may("u", "Binary"):
        return facts, []
    moved = await adopted(parts, base, patient)
    made = parts.documents.links.binary(
        content,
        media_type=blob.content_type,
        blob=next(each.blob.id for each in moved if each.replaces == blob_id),
        context=str(key),
        patient=patient,
        scan=parts.documents.links.scanned(content),
    )
    name = target.at(head.version + 1)
    claims = tuple(each.blob.claim(name, each.replaces) for each in moved)
    return facts, [NewBinary(target, made, words, claims, base)]


async def replaced(
    parts: Parts, occasion: Occasion, content: FhirJson, base: Stored | None = None, around: Around = NOTHING_AROUND
) -> tuple[tuple[Stored, ...], tuple[Issue, ...]]:
    """What the document replaces and is still current, and a warning for what cannot be marked here, or is not seen.

    Only a new version that says so marks: what `base` replaced already is left as its author has it by now.
    """
    found: dict[ResourceKey, Stored] = {}
    warnings: list[Issue] = []
    for path, target in parts.documents.links.replaced(content):
        stored = None if target is None else await parts.store.newest(target)
        if target is not None:
            stored = await seen(parts, occasion.caller, stored, target)
        if target is None or stored is None or stored.head.deleted:
            warnings.append(Issue("not-found", "What it replaces is not here and was not marked", path, "warning"))
        elif base is None and target not in around.patients:
            found[target] = stored
    return tuple(found.values()), tuple(warnings)
