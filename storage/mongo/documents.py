"""The stored shapes: what each collection holds, what each field means and how it is protected.

Protection: *plain* is readable by whoever has the database; *sealed* is AES-256-GCM bound to its place; *token* and
*keyed hash* can be compared, not read. `deploy/LEAKAGE.md` is the statement made of this file.

Revision and audit documents are encoded here, once, and inserted as those very bytes, because their hashes are the
links of the tamper-evidence chains: MongoDB keeps the bytes it is given when `_id` comes first.
NOTE: stored for ever. Fields may be added; a field's meaning, and `document_hash`, may never change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypedDict

import bson
import msgspec
from bson.codec_options import CodecOptions, TypeRegistry
from bson.decimal128 import Decimal128

from domain.identity import FhirJson, ResourceKey
from domain.revision import Head, Stored

REVISIONS, RESOURCES, AUDIT, HEADS = "revisions", "resources", "audit", "audit_heads"
CLAIMS, RECEIPTS, JOBS, CELLS = "claims", "idempotency", "jobs", "cells"


class RevisionDocument(TypedDict):
    """`revisions`: one immutable version; append-only, the truth."""

    _id: str  # plain: "Patient/123/4", unique, so that no two writers can both create version 4
    type: str  # plain
    id: str  # plain: a logical id is ours or the client's, never a person's number by policy
    version: int  # plain: 1, 2, 3 … without gaps
    method: str  # plain: POST, PUT, PATCH or DELETE
    recorded: datetime  # plain: server time, later than the previous version's
    patient: str | None  # plain: the compartment whose key seals it
    labels: Sequence[str]  # plain: security labels, decide access to old versions
    compartments: Sequence[str]  # plain: every patient it belongs to, decides access like the two below
    facets: Sequence[
        str
    ]  # plain: words and references (`domain.revision.Description`); absent in versions of older releases
    source: str  # plain: subject of the token that created the resource; absent like `facets`
    key: str | None  # plain: id of the sealing key, "Patient/123#1"; null for a deletion
    sealed: bytes | None  # sealed at "chartvault/1|Patient/123/4": the JSON as returned; null for a deletion
    prev: bytes | None  # hash over the stored bytes of the previous version; null for version 1


class ResourceDocument(TypedDict, total=False):
    """`resources`: the newest version of each resource, for reads and searches. A deletion keeps the plain part."""

    _id: str  # plain: "Patient/123"
    type: str  # plain
    id: str  # plain
    version: int  # plain: updates compare and swap on it
    method: str  # plain
    updated: datetime  # plain: `recorded` of the newest version
    deleted: bool  # plain
    erased: bool  # plain: the patient was erased, the contents can never be opened again
    patient: str | None  # plain
    compartments: Sequence[str]  # plain: every patient it belongs to, decides access
    labels: Sequence[str]  # plain
    author: str  # plain: subject of the token that wrote it
    source: str  # plain: subject of the token that created it
    facets: Sequence[str]  # plain: words and references that access is decided by
    tip: bytes  # hash over the stored bytes of the newest revision, `prev` of the next
    key: str  # plain; absent when deleted, like all below
    sealed: bytes  # the same bytes as in the revision, so that a read is one lookup
    place: int  # plain: position in the store's own order, given when created, kept for ever
    terms: Sequence[bytes]  # tokens: one of 8 bytes per searchable value
    marks: Sequence[bytes]  # tokens of what selects too much to be indexed: presence, code systems
    scoped: Sequence[bytes]  # tokens of coded values, only where `patient` is whom the resource says it is about
    reach: int  # plain: how long the leading date lasts, in classes (`storage/mongo/reaches.py`)
    low: float  # plain: start of the leading date in microseconds since 1970; absent without one; never of a person
    high: float  # plain: its end
    ranges: Sequence[
        FhirJson
    ]  # plain: {p: element and class of times, l, h: low and high end}, {k: tokens of unit and code}
    words: bytes  # tokens: a Bloom filter of the words of its texts
    ties: Sequence[
        FhirJson
    ]  # plain: who it relates to whom {a: actor, b: bond, p: about, l, h: times, c: consent rule}
    found: bytes  # tokens: one of the words of its documents, of one of three sizes; absent without
    found_words: bytes  # sealed at "chartvault/1|Patient/123/4/found": those words
    outline: FhirJson  # plain: the de-identified FHIR-shaped part


class AuditDocument(TypedDict, total=False):
    """`audit`: one request; append-only, chained per writer (`storage/mongo/chains.py`)."""

    _id: str  # plain: chain, "-", sequence of 12 digits
    prev: bytes | None  # hash over the stored bytes of the chain's previous entry
    recorded: datetime  # plain
    interaction: str  # plain: "read", "search-type" …
    action: str  # plain: C R U D E
    outcome: str  # plain: 0 4 8
    status: int  # plain
    subject: str  # plain: account of the caller
    client: str  # plain
    token: bytes  # hash of the token id: tells two tokens apart, is no credential
    request_id: str  # plain
    targets: Sequence[str]  # plain: "Type/id/version" or "Type/id"
    patients: Sequence[str]  # plain
    roles: Sequence[str]  # plain: of a person, as they were then; absent for programs, like the next two
    profiles: Sequence[str]  # plain: who they are in the records, "Practitioner/1"
    organizations: Sequence[str]  # plain: where they work
    purpose: Sequence[str]  # plain: purposes of use the request named; absent without any
    key: str  # plain: id of the key that sealed the fields below; absent without them
    query: bytes  # sealed at "chartvault/1|audit/<_id>/query": the raw query may hold names
    network: bytes  # sealed at "chartvault/1|audit/<_id>/network"


class HeadDocument(TypedDict):
    """`audit_heads`: how far each chain had certainly come; shows a chain that was cut at its end."""

    _id: str  # plain: the chain
    started: datetime  # plain
    updated: datetime  # plain
    sequence: int  # plain: of the last entry, 0 before the first
    digest: bytes | None  # hash over the stored bytes of the last entry
    closed: bool  # plain: ended in order, so nothing may follow
    mac: bytes  # keyed hash over `chains.head_message`


class ClaimDocument(TypedDict):
    """`claims`: conditions that conditional writes relied on; kept a day after the last use."""

    _id: bytes  # keyed hash of the condition
    n: int  # plain: changes with every write that relied on it
    at: datetime  # plain


class CellDocument(TypedDict):
    """`cells`: who holds five minutes of somebody's time (`domain/cells.py`); kept a day beyond that time."""

    _id: bytes  # keyed hash of the cell's name
    n: int  # plain: changes with every write
    holder: str | None  # plain: id of the appointment, null when it was released
    until: datetime | None  # plain: when a tentative hold ends
    gone: datetime  # plain: when the row is forgotten


class ReceiptDocument(TypedDict):
    """`idempotency`: answers of requests with an Idempotency-Key; kept a day."""

    _id: bytes  # keyed hash of caller and key
    fingerprint: bytes  # hash of the request
    outcomes: Sequence[Sequence[Any]]  # plain: [status, "Type/id/version"]
    at: datetime  # plain


class JobDocument(TypedDict, total=False):
    """`jobs`: background work (`domain/jobs.py`), and the lock `runner` that lets one job run at a time."""

    _id: str  # plain: "<SearchParameter id>.<version>", an id of our own, or "runner"
    types: Sequence[str]  # plain: resource types described again
    state: str  # plain
    turn: int  # plain
    cursor: str  # plain: "Type/id" of the last resource described
    done: int  # plain
    total: int | None  # plain
    fence: int  # plain: number of the claim; a later one shuts out an earlier one
    problem: str | None  # plain: a sentence of ours
    created: datetime  # plain
    started: datetime | None  # plain
    updated: datetime | None  # plain
    until: datetime  # plain: of "runner": how long its holder may go on without a sign


class Sealed(msgspec.Struct, frozen=True):
    """The handle of a `Stored`: what `open` and the next version need. Never printed: `Stored` hides it."""

    key: str | None
    sealed: bytes | None
    tip: bytes | None = None
    place: int | None = None
    low: int | float | None = None
    position: tuple[str | int | None, ...] = ()
    ties: Sequence[FhirJson] = ()


_ACCESS_FIELDS = ("patient", "labels", "compartments", "facets", "source")
HEAD_FIELDS = dict.fromkeys(("type", "id", "version", "method", *_ACCESS_FIELDS, "key", "sealed"), 1)
CURRENT_FIELDS = {**HEAD_FIELDS, **dict.fromkeys(("updated", "deleted", "erased", "tip", "place", "low", "ties"), 1)}
"""What a read fetches of a resource: not terms and outline, which are larger than the rest."""
REVISION_FIELDS = {**HEAD_FIELDS, "recorded": 1}


def document_hash(raw: bytes) -> bytes:
    """The link of the chains: SHA-256 over 0x00 and the stored BSON bytes (the leaf hash of RFC 9162 section 2.1.1)."""
    return hashlib.sha256(b"\x00" + raw).digest()


def token_hash(token_id: str) -> bytes:
    return hashlib.sha256(token_id.encode()).digest()[:16]


def _decimal(value: Any) -> Any:
    """FHIR decimals in the outline; BSON has no other form for them. A `Raw` holds the digits as text."""
    if isinstance(value, Decimal):
        return Decimal128(value)
    if isinstance(value, msgspec.Raw):
        return Decimal128(bytes(value).decode())
    return value


_ENCODING: CodecOptions[dict[str, Any]] = CodecOptions(type_registry=TypeRegistry(fallback_encoder=_decimal))


def encode_document(document: Mapping[str, Any]) -> bytes:
    """BSON bytes of a document whose `_id` comes first. Times keep their milliseconds, decimals their digits."""
    return bson.encode(document, codec_options=_ENCODING)


def stored_resource(document: Mapping[str, Any]) -> Stored:
    """A `resources` document (`CURRENT_FIELDS`) as found, its times with or without their zone; nothing is opened."""
    return Stored(
        Head(
            ResourceKey(document["type"], document["id"]),
            document["version"],
            document["method"],
            document["updated"].replace(tzinfo=UTC),
            document["patient"],
            document["deleted"],
            document["erased"],
            tuple(document["labels"]),
            tuple(document["compartments"]),
            tuple(document.get("facets", ())),
            document.get("source"),
        ),
        Sealed(
            document.get("key"),
            document.get("sealed"),
            document["tip"],
            document.get("place"),
            document.get("low"),
            ties=document.get("ties", ()),
        ),
    )


def stored_revision(document: Mapping[str, Any]) -> Stored:
    """A `revisions` document (`REVISION_FIELDS`) as found, its times with or without their zone. Whether its patient was
    erased shows on opening."""
    owner = document["patient"]
    return Stored(
        Head(
            ResourceKey(document["type"], document["id"]),
            document["version"],
            document["method"],
            document["recorded"].replace(tzinfo=UTC),
            owner,
            document["method"] == "DELETE",
            False,
            tuple(document["labels"]),
            tuple(document.get("compartments", () if owner is None else (owner,))),
            tuple(document.get("facets", ())),
            document.get("source"),
        ),
        Sealed(document["key"], document["sealed"]),
    )
