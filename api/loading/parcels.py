"""What is sent: the content of one document cut into requests, in order.

A transaction Bundle is one request, byte for byte as found, because it is stored whole or not at all. The entries of a
batch, the resources of other Bundles and the lines of NDJSON travel in batches of bounded size. Entries are never
decoded, only cut out, so decimals, order and unknown members reach the server as they are.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, NamedTuple

import msgspec

from domain.identity import ID

MAX_ENTRIES = 500
MAX_BYTES = 8 * 1024 * 1024
_DOCUMENT_BYTES = 1024 * 1024 * 1024
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")


class Parcel(NamedTuple):
    """One request. `indexes` are the places of its entries in the document, counted from 0.

    `path` is empty for a Bundle. `key` names the content: the same content has the same key in every run.
    """

    method: str
    path: str
    body: bytes
    indexes: Sequence[int]
    batch: bool
    key: str


class Unreadable(NamedTuple):
    """An entry (or with `index` None the whole document) that cannot be sent, and why."""

    entry: int | None
    reason: str


class _Bundle(msgspec.Struct):
    resourceType: str
    id: str | None = None
    type: str | None = None
    entry: list[msgspec.Raw] = []


class _Search(msgspec.Struct):
    mode: str | None = None


class _Entry(msgspec.Struct):
    fullUrl: str | None = None
    resource: msgspec.Raw = msgspec.Raw(b"")  # msgspec reads `Raw | None` as None only
    search: _Search | None = None


class _Head(msgspec.Struct):
    resourceType: str
    id: str | None = None


_bundle = msgspec.json.Decoder(_Bundle)
_entry = msgspec.json.Decoder(_Entry)
_head = msgspec.json.Decoder(_Head)


def parcels_of(kind: str, stream: IO[bytes]) -> Iterator[Parcel | Unreadable]:
    """The requests of one document in order; `kind` is `json` or `ndjson`. What cannot be sent comes in its place."""
    if kind == "ndjson":
        yield from _lines(stream)
        return
    content = stream.read(_DOCUMENT_BYTES + 1)
    if len(content) > _DOCUMENT_BYTES:
        yield Unreadable(None, "The file is over 1 GiB: split it, or use NDJSON")
        return
    yield from _document(content.removeprefix(b"\xef\xbb\xbf"), 0)


def _document(content: bytes, index: int) -> Iterator[Parcel | Unreadable]:
    try:
        bundle = _bundle.decode(content)
    except msgspec.DecodeError:
        yield Unreadable(None, "Not a FHIR resource in JSON")
        return
    if bundle.resourceType != "Bundle" or bundle.type in ("document", "message"):
        yield _single(content, bundle, index)
    elif bundle.type == "transaction":
        yield whole(content, range(len(bundle.entry)))
    elif bundle.type == "batch":
        yield from _batches((place, bytes(entry)) for place, entry in enumerate(bundle.entry))
    elif bundle.type in ("collection", "searchset"):
        yield from _collection(bundle.entry)
    else:
        yield Unreadable(None, f"A Bundle of type {bundle.type or '(none)'} holds nothing to store")


def whole(body: bytes, indexes: Sequence[int]) -> Parcel:
    """A transaction Bundle with entries at these places."""
    return Parcel("POST", "", body, indexes, False, _key(body, indexes))


def _single(content: bytes, head: _Bundle, index: int) -> Parcel | Unreadable:
    request = _request(head.resourceType, head.id)
    if isinstance(request, str):
        return Unreadable(index, request)
    method, url = request
    return Parcel(method, f"/{url}", content, (index,), False, _key(content, (index,)))


def _lines(stream: IO[bytes]) -> Iterator[Parcel | Unreadable]:
    """https://hl7.org/fhir/R4/nd-json.html; a line may also be a transaction or batch of its own."""
    waiting: list[tuple[int, bytes]] = []
    size = 0
    for index, line in enumerate(stream):
        line = line.strip()
        if not line:
            continue
        try:
            head = _bundle.decode(line)
        except msgspec.DecodeError:
            yield Unreadable(index, "Not a FHIR resource in JSON")
            continue
        own = head.resourceType == "Bundle" and head.type not in ("document", "message")
        entry = b"" if own else _as_entry(line, head.resourceType, head.id)
        if isinstance(entry, str):
            yield Unreadable(index, entry)
            continue
        if waiting and (own or len(waiting) == MAX_ENTRIES or size + len(entry) > MAX_BYTES):
            yield _batch(waiting)
            waiting, size = [], 0
        if own:
            yield from _document(line, index)
        else:
            waiting.append((index, entry))
            size += len(entry)
    if waiting:
        yield _batch(waiting)


def _collection(entries: Sequence[msgspec.Raw]) -> Iterator[Parcel | Unreadable]:
    """Resources to be stored under their ids; with `urn:` names among them in one request, as links are rewritten."""
    found: list[tuple[int, bytes]] = []
    linked = False
    for index, raw in enumerate(entries):
        try:
            entry = _entry.decode(raw)
            head = _head.decode(entry.resource) if bytes(entry.resource) else None
        except msgspec.DecodeError:
            yield Unreadable(index, "Not a Bundle entry with a resource")
            continue
        if head is None or (entry.search is not None and entry.search.mode == "outcome"):
            continue
        named = entry.fullUrl if entry.fullUrl is not None and entry.fullUrl.startswith("urn:") else None
        linked |= named is not None
        line = _as_entry(bytes(entry.resource), head.resourceType, head.id, named)
        if isinstance(line, str):
            yield Unreadable(index, line)
        else:
            found.append((index, line))
    if linked:
        yield whole(_bundle_body("transaction", [line for _, line in found]), [index for index, _ in found])
    else:
        yield from _batches(found)


def _batches(entries: Iterable[tuple[int, bytes]]) -> Iterator[Parcel]:
    waiting: list[tuple[int, bytes]] = []
    size = 0
    for index, entry in entries:
        if waiting and (len(waiting) == MAX_ENTRIES or size + len(entry) > MAX_BYTES):
            yield _batch(waiting)
            waiting, size = [], 0
        waiting.append((index, entry))
        size += len(entry)
    if waiting:
        yield _batch(waiting)


def _batch(entries: Sequence[tuple[int, bytes]]) -> Parcel:
    body = _bundle_body("batch", [entry for _, entry in entries])
    indexes = [index for index, _ in entries]
    return Parcel("POST", "", body, indexes, True, _key(body, indexes))


def _bundle_body(kind: str, entries: Sequence[bytes]) -> bytes:
    return b'{"resourceType":"Bundle","type":"%s","entry":[%s]}' % (kind.encode(), b",".join(entries))


def _as_entry(resource: bytes, resource_type: str, resource_id: str | None, full_url: str | None = None) -> bytes | str:
    """A Bundle entry that stores the resource, or the reason why there is none."""
    request = _request(resource_type, resource_id)
    if isinstance(request, str):
        return request
    name = b'"fullUrl":%s,' % msgspec.json.encode(full_url) if full_url is not None else b""
    return b'{%s"resource":%s,"request":{"method":"%s","url":"%s"}}' % (
        name,
        resource,
        request[0].encode(),
        request[1].encode(),
    )


def _request(resource_type: str, resource_id: str | None) -> tuple[str, str] | str:
    """PUT under the id it has, POST when it has none; a reason when either is not of FHIR's form."""
    if _TYPE.fullmatch(resource_type) is None:
        return "The resourceType is not a FHIR type"
    if resource_id is None:
        return "POST", resource_type
    if ID.fullmatch(resource_id) is None:
        return "The id is not a FHIR id"
    return "PUT", f"{resource_type}/{resource_id}"


def _key(body: bytes, indexes: Sequence[int]) -> str:
    first = indexes[0] if indexes else 0
    return f"import-{hashlib.sha256(body).hexdigest()[:40]}-{first}"
