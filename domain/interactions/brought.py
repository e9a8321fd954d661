"""What a resource brings with it, as values: the documents of one write and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from domain.blobs import Blob, BlobClaim
from domain.errors import Issue
from domain.identity import FhirJson, ResourceKey
from domain.interactions.receiving import Received
from domain.revision import Stored


class Facts(msgspec.Struct, frozen=True):
    """What is known of the document behind a Binary."""

    size: int
    sha1: bytes
    words: frozenset[str]
    pages: int | None = None

    def __repr__(self) -> str:
        return f"Facts({self.size} bytes)"


class Adopted(NamedTuple):
    """A pending blob of a patient that takes the place of `replaces`, which was nobody's."""

    blob: Blob
    replaces: str


class NewBinary(msgspec.Struct, frozen=True):
    """A Binary that is stored together with the resource; `base` is the version of it there is already."""

    key: ResourceKey
    content: FhirJson
    words: frozenset[str]
    claims: tuple[BlobClaim, ...]
    base: Stored | None = None

    def __repr__(self) -> str:
        return f"NewBinary({self.key})"


class Brought(msgspec.Struct, frozen=True):
    """`content` as it will be stored, the words of its documents, and what has to be stored with it.

    Of a Binary, `blob` is its new document, `adopted` are those it had while it was nobody's.
    """

    content: FhirJson
    found: frozenset[str] = frozenset()
    binaries: tuple[NewBinary, ...] = ()
    superseded: tuple[Stored, ...] = ()
    blob: Received | None = None
    adopted: tuple[Adopted, ...] = ()
    facts: Facts | None = None
    warnings: tuple[Issue, ...] = ()

    def __repr__(self) -> str:
        return f"Brought({len(self.binaries)} binaries)"


class Around(msgspec.Struct, frozen=True):
    """What else the same write does: the documents of its Binaries, whose document a Binary is, and the patients
    (`None`: nobody's) of everything that is written."""

    facts: Mapping[ResourceKey, Facts] = {}
    contexts: Mapping[ResourceKey, ResourceKey] = {}
    patients: Mapping[ResourceKey, str | None] = {}


NOTHING_AROUND = Around()


def facts_of(received: Received) -> Facts:
    """What is known of a document that has just arrived."""
    blob, extract = received.blob, received.extract
    return Facts(blob.size, blob.sha1, extract.words, extract.pages)
