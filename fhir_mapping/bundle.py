"""Answers that hold many resources: https://hl7.org/fhir/R4/bundle.html

Bundles are joined from resources that are already JSON bytes. Contents are never parsed again: what was stored is what
goes out, byte for byte, and a page of 50 costs microseconds. Everything else in a Bundle (links, keys, times, statuses)
is small and encoded here. A resource that cannot be opened becomes an outcome in its place, never a failed page.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Literal, NamedTuple

import msgspec

from domain.errors import DomainError
from domain.identity import FhirJson, ResourceKey
from domain.revision import Head, encode, instant
from fhir_mapping.outcome import advisory, outcome_of

# The rows of one answer share their time; printing it was half of their cost.
_instant = lru_cache(maxsize=64)(instant)
_text = msgspec.json.Encoder().encode


_MODES = {"match": b',"search":{"mode":"match"}}', "include": b',"search":{"mode":"include"}}'}
GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"


class FoundEntry(msgspec.Struct, frozen=True):
    """One row of a search: the resource as stored, or why it cannot be shown (as `RevisionStore.open` returns them).

    `score` and `grade` say how well a patient matches: https://hl7.org/fhir/R4/patient-operation-match.html
    """

    key: ResourceKey
    content: bytes | DomainError
    mode: Literal["match", "include"] = "match"
    score: float | None = None
    grade: str | None = None


class VersionEntry(NamedTuple):
    """One row of a history; the content of a deletion is not looked at."""

    head: Head
    content: bytes | DomainError


class AnswerEntry(NamedTuple):
    """The answer to one entry of a batch or transaction.

    `location` is absolute or relative to the base, with `/_history/n` (https://hl7.org/fhir/R4/http.html#create);
    `content` is the resource as stored when the client asked for it, `outcome` any OperationOutcome.
    """

    status: int
    location: str | None = None
    version: int | None = None
    recorded: datetime | None = None
    content: bytes | None = None
    outcome: FhirJson | None = None
    full_url: str | None = None


class Links(NamedTuple):
    """The paging links of one page; `self` states the parameters that took effect."""

    self_url: str
    next_url: str | None = None
    first_url: str | None = None
    previous_url: str | None = None


def searchset(
    base: str,
    self_url: str,
    entries: Sequence[FoundEntry],
    *,
    total: int | None,
    next_url: str | None,
    first_url: str | None = None,
    outcome: FhirJson | None = None,
) -> bytes:
    """A page of search results: https://hl7.org/fhir/R4/search.html. `base` is without trailing slash.

    `outcome` (parameters that were ignored, see `advisory`) becomes one more entry of mode "outcome".
    """
    opening = _opening(base)
    rows = [_found(opening, entry) for entry in entries]
    if outcome is not None:
        rows.append(_outcome_row(outcome))
    return _bundle("searchset", rows, total, Links(self_url, next_url, first_url))


def history_bundle(
    base: str,
    self_url: str,
    entries: Sequence[VersionEntry],
    *,
    total: int | None,
    next_url: str | None,
    first_url: str | None = None,
) -> bytes:
    """A page of versions, newest first: https://hl7.org/fhir/R4/http.html#history.

    A deletion has no resource; a version that cannot be opened has none either, and `response.outcome` says why.
    """
    opening = _opening(base)
    rows = [_version(opening, entry) for entry in entries]
    return _bundle("history", rows, total, Links(self_url, next_url, first_url))


def response_bundle(kind: Literal["transaction-response", "batch-response"], entries: Sequence[AnswerEntry]) -> bytes:
    """The answers to a batch or transaction, in the order of its entries: https://hl7.org/fhir/R4/http.html#transaction"""
    return _bundle(kind, [_answer(entry) for entry in entries], None, None)


def _bundle(kind: str, rows: list[bytes], total: int | None, links: Links | None) -> bytes:
    parts = [b'{"resourceType":"Bundle","type":"', kind.encode(), b'"']
    if total is not None:
        parts.append(b',"total":%d' % total)
    if links is not None:
        named = zip(("self", "next", "first", "previous"), links, strict=True)
        parts += (b',"link":', _text([{"relation": name, "url": url} for name, url in named if url is not None]))
    if rows:
        # An empty array is not FHIR JSON: https://hl7.org/fhir/R4/json.html
        parts += (b',"entry":[', b",".join(rows), b"]")
    parts.append(b"}")
    return b"".join(parts)


def _opening(base: str) -> bytes:
    """An entry up to the base of its fullUrl. Types and ids need no escaping, so they follow as they are."""
    return b'{"fullUrl":' + _text(base.rstrip("/") + "/")[:-1]


def _found(opening: bytes, entry: FoundEntry) -> bytes:
    if isinstance(entry.content, DomainError):
        return _outcome_row(advisory(entry.content.issues))
    kind, logical_id = entry.key
    head = b'%b%b/%b","resource":' % (opening, kind.encode(), logical_id.encode())
    if entry.grade is None and entry.score is None:
        return b"".join((head, entry.content, _MODES[entry.mode]))
    graded = b"" if entry.grade is None else b'"extension":[%b],' % _text({"url": GRADE, "valueCode": entry.grade})
    scored = b"" if entry.score is None else b',"score":%b' % _text(entry.score)
    return b'%b%b,"search":{%b"mode":"%b"%b}}' % (head, entry.content, graded, entry.mode.encode(), scored)


def _outcome_row(outcome: FhirJson) -> bytes:
    return b'{"resource":%b,"search":{"mode":"outcome"}}' % encode(outcome)


def _version(opening: bytes, entry: VersionEntry) -> bytes:
    head = entry.head
    key = str(head.key).encode()
    response: FhirJson = {
        "status": _status(204 if head.deleted else 201 if head.version == 1 else 200),
        "etag": f'W/"{head.version}"',
        "lastModified": _instant(head.recorded),
    }
    resource = b""
    if not head.deleted:
        if isinstance(entry.content, DomainError):
            response["outcome"] = outcome_of(entry.content)
        else:
            resource = b'"resource":%b,' % entry.content
    return b'%b%b",%b"request":{"method":"%b","url":"%b"},"response":%b}' % (
        opening,
        key,
        resource,
        head.method.encode(),
        head.key.type.encode() if head.method == "POST" else key,
        encode(response),
    )


def _answer(entry: AnswerEntry) -> bytes:
    response: FhirJson = {"status": _status(entry.status)}
    if entry.location is not None:
        response["location"] = entry.location
    if entry.version is not None:
        response["etag"] = f'W/"{entry.version}"'
    if entry.recorded is not None:
        response["lastModified"] = _instant(entry.recorded)
    if entry.outcome is not None:
        response["outcome"] = entry.outcome
    full_url = b"" if entry.full_url is None else b'"fullUrl":%b,' % _text(entry.full_url)
    resource = b"" if entry.content is None else b'"resource":%b,' % entry.content
    return b'{%b%b"response":%b}' % (full_url, resource, encode(response))


@lru_cache(maxsize=64)
def _status(code: int) -> str:
    """`201 Created`: the code first, as Bundle.entry.response.status asks."""
    return f"{code} {HTTPStatus(code).phrase}"
