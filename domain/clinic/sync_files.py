"""The files of a provider's document: fetched once, verified, and kept as every document of ours is.

What is said of a file (`hash`, `size`) is verified while it comes; a file whose hash we have already is not asked for again. A
document is taken with all its files or not at all. https://hl7.org/fhir/R4/datatypes.html#Attachment
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping

import msgspec

from domain.blobs import Blob, Expected
from domain.clinic.provider_ports import ProviderTrouble, Remote
from domain.clinic.sync_parts import Sync
from domain.documents.base64_data import decoded, digest_of
from domain.documents.linking import InlineData
from domain.errors import InvalidContent
from domain.identity import FhirJson, ResourceKey, parse_reference
from domain.interactions.brought import NewBinary
from domain.interactions.parts import Parts
from domain.interactions.receiving import Received, receive

MOST_FILES = 20
_OF_FILE = ("contentType", "url", "size", "hash", "extension")


class Fetched(msgspec.Struct, frozen=True):
    """A document with its files here: `blobs` wait for being published with `binaries`."""

    words: frozenset[str] = frozenset()
    binaries: tuple[NewBinary, ...] = ()
    blobs: tuple[Blob, ...] = ()

    def __repr__(self) -> str:
        return f"Fetched({len(self.binaries)} files)"


async def fetched(
    sync: Sync, remote: Remote, patient: str, content: FhirJson, key: ResourceKey, before: FhirJson | None
) -> Fetched:
    """Fetch what `content` names and `before` has not, and have its Attachments point at what is here, in place.

    Raises `ProviderTrouble` (`hash_mismatch` too), `UnsupportedMedia`, `TooLarge`, `InvalidContent`; nothing remains then.
    """
    files = sync.entries.files(content)
    if len(files) > MOST_FILES:
        raise InvalidContent("There are more files than one document may have")
    parts, had = sync.parts, _had(before, sync)
    made: list[tuple[NewBinary, Blob]] = []
    words: set[str] = set()
    try:
        for file in files:
            expected = _stated(file)
            old = had.get(expected.sha1) if expected.sha1 is not None else None
            if old is None:
                received = await _received(parts, remote, patient, file, expected)
                old = had.get(received.blob.sha1)
                if old is None:
                    made.append((_binary(parts, file.node, key, received), received.blob))
                    words |= received.extract.words
                    continue
                await parts.blobs.discard([received.blob])
            _as_before(file.node, old)
            words |= await _words(parts, old)
    except BaseException:
        await parts.blobs.discard([blob for _, blob in made])
        raise
    return Fetched(frozenset(words), tuple(binary for binary, _ in made), tuple(blob for _, blob in made))


def _had(before: FhirJson | None, sync: Sync) -> Mapping[bytes, FhirJson]:
    """The Attachments of the version before, by hash."""
    links = [] if before is None else sync.parts.documents.links.links(before)
    return {digest_of(link.node["hash"], link.path): link.node for link in links if "hash" in link.node}


def _stated(file: InlineData) -> Expected:
    size, text = file.node.get("size"), file.node.get("hash")
    return Expected(size=size, sha1=None if text is None else digest_of(text, f"{file.path}.hash"))


async def _received(parts: Parts, remote: Remote, patient: str, file: InlineData, expected: Expected) -> Received:
    stream = decoded(file.data, f"{file.path}.data") if file.data else _bytes(remote, file.node["url"])
    try:
        return await receive(
            parts,
            stream,
            patient=patient,
            declared=file.node.get("contentType"),
            title=file.node.get("title"),
            expected=expected,
        )
    except InvalidContent:
        raise ProviderTrouble("hash_mismatch") from None


async def _bytes(remote: Remote, url: str) -> AsyncIterator[bytes]:
    async for piece in remote.content(url):
        yield piece


def _binary(parts: Parts, node: FhirJson, key: ResourceKey, received: Received) -> NewBinary:
    """The Binary of a file, and the Attachment pointing at it."""
    blob, links = received.blob, parts.documents.links
    target = ResourceKey("Binary", parts.new_id())
    for name in ("data", "_data", "_url"):
        node.pop(name, None)
    node |= {
        "contentType": blob.content_type,
        "url": str(target),
        "size": blob.size,
        "hash": base64.b64encode(blob.sha1).decode(),
    }
    links.count_pages(node, received.extract.pages)
    content = links.binary(
        {}, media_type=blob.content_type, blob=blob.id, context=str(key), patient=blob.patient, scan=received.scan
    )
    return NewBinary(target, content, received.extract.words, (blob.claim(target.at(1)),))


def _as_before(node: FhirJson, old: FhirJson) -> None:
    for name in ("data", "_data", "_url"):
        node.pop(name, None)
    node |= {name: old[name] for name in _OF_FILE if name in old}


async def _words(parts: Parts, old: FhirJson) -> frozenset[str]:
    """The words of a file that is here, which a new version of its document is found by, too."""
    literal = parse_reference(old["url"])
    stored = None if literal is None else await parts.store.newest(literal.key)
    return frozenset() if stored is None else (await parts.store.found([stored]))[0]
