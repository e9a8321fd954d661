"""A version of a resource, and the intention to write one.

`Revision` is one immutable version; `Stored` is a version as the store keeps it, still sealed; `Change` is one intended
version; `Write` is everything one request writes, stored whole or not at all. Contents are the JSON bytes exactly as a
client receives them, and never appear in a `repr`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from domain import decimals
from domain.audit import AuditEntry
from domain.blobs import BlobClaim
from domain.cells import Cell
from domain.identity import FhirJson, ResourceKey
from domain.notices import Notice
from domain.ranges import Number
from domain.search import IndexTerm
from domain.ties import Tie

Method: TypeAlias = Literal["POST", "PUT", "PATCH", "DELETE"]


class Head(msgspec.Struct, frozen=True):
    """What may be known of a version without opening it: enough to decide access, conditions and 304/404/410.

    `erased` marks the remains of an erased patient: the contents can never be opened again. `patients` are those whose
    compartment it is in, `source` is the subject who created the resource, `facets` as in `Description`.
    """

    key: ResourceKey
    version: int
    method: Method
    recorded: datetime
    patient: str | None = None
    deleted: bool = False
    erased: bool = False
    labels: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    facets: tuple[str, ...] = ()
    source: str | None = None


class Stored(msgspec.Struct, frozen=True):
    """A version as found: its head, and a handle only the store that returned it can open."""

    head: Head
    handle: Any = None

    def __repr__(self) -> str:
        return f"Stored({self.head.key.at(self.head.version)})"


class Revision(msgspec.Struct, frozen=True):
    """One immutable version. `content` is the JSON as returned to clients, `None` for a deletion."""

    key: ResourceKey
    version: int
    method: Method
    recorded: datetime
    content: bytes | None

    def __repr__(self) -> str:
        return f"Revision({self.key.at(self.version)})"


class Range(msgspec.Struct, frozen=True):
    """A value of a date, number or quantity parameter: from `low` to `high`, `None` where it is open.

    `path` is the element it stands in (JSON names); `keys` are terms of its unit and of the code it belongs to. Times are
    half-open `[low, high)` in microseconds since 1970, numbers closed.
    """

    path: str
    low: Number | None
    high: Number | None
    keys: tuple[IndexTerm, ...] = ()

    def __repr__(self) -> str:
        return "Range(…)"


class Description(msgspec.Struct, frozen=True):
    """What search and access need to know of a resource. Holds plaintext: storage turns terms into tokens.

    `terms` and `marks` are the shelves of `domain.search.Shelf`; `scoped` are values that are also looked up together with
    `patient` (`domain.search.OfPatients`); `moment` is the leading date of the resource, `ranges` its other dates, numbers
    and quantities (dates of a person are never among them), `words` those of its texts.
    `found` are the words of documents that belong to the resource: not in its content, so the writer gives them and the
    store keeps them. `patient` is the one compartment whose key seals the resource, `patients` all it belongs to;
    `outline` is the de-identified FHIR-shaped part that may be stored in clear. `facets` are words and references that
    access is decided by (`lab`, `Organization/1`), `ties` the relations between people that the resource states.
    """

    terms: tuple[IndexTerm, ...] = ()
    marks: tuple[IndexTerm, ...] = ()
    scoped: tuple[IndexTerm, ...] = ()
    moment: tuple[int | None, int | None] | None = None
    ranges: tuple[Range, ...] = ()
    words: frozenset[str] = frozenset()
    found: frozenset[str] = frozenset()
    outline: FhirJson = {}
    patient: str | None = None
    patients: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    facets: tuple[str, ...] = ()
    ties: tuple[Tie, ...] = ()

    def __repr__(self) -> str:
        return f"Description({len(self.terms)} terms)"


class Described(NamedTuple):
    """A version that is stored already, with a new description."""

    head: Head
    description: Description


class Change(msgspec.Struct, frozen=True):
    """One intended version: the revision, its description (`None` for a deletion), and the version it replaces.

    `base` is the newest version as the writer saw it, `None` when the writer saw no such resource. The store refuses the
    change with `VersionConflict` when that is no longer true.
    """

    revision: Revision
    description: Description | None
    base: Stored | None

    @property
    def replaces(self) -> int:
        return self.base.head.version if self.base else 0


class Claim(msgspec.Struct, frozen=True):
    """A condition a conditional write relied on ("no Patient has this identifier").

    `name` is the text of the condition (plaintext, hashed by storage), `seen` the count of writes that relied on it when it
    was evaluated. Two writers that rely on one condition cannot both commit.
    """

    name: str
    seen: int

    def __repr__(self) -> str:
        return "Claim(…)"


class Receipt(msgspec.Struct, frozen=True):
    """The answer to a request with an Idempotency-Key, kept so that a retry gets it again instead of a second write.

    `name` identifies caller and key, `fingerprint` the request. `outcomes` is one `(status, Type/id/version or "")` per
    answer: one for a single write, one per entry for a Bundle.
    """

    name: str
    fingerprint: bytes
    outcomes: tuple[tuple[int, str], ...]


class Write(msgspec.Struct, frozen=True):
    """Everything one request writes, committed together with its audit entry, or not at all.

    `blobs` are the pending blobs that become ready with it (`domain/blobs.py`), `cells` what it books and releases,
    `notices` what it has somebody told.
    """

    changes: tuple[Change, ...]
    audit: AuditEntry
    claims: tuple[Claim, ...] = ()
    receipt: Receipt | None = None
    blobs: tuple[BlobClaim, ...] = ()
    cells: tuple[Cell, ...] = ()
    notices: tuple[Notice, ...] = ()


def now_ms(now: datetime) -> datetime:
    """`now` in UTC, cut to milliseconds: the precision in which MongoDB keeps times and we print instants."""
    return now.astimezone(UTC).replace(microsecond=now.microsecond // 1000 * 1000)


def next_recorded(now: datetime, base: Stored | None) -> datetime:
    """The time of the next version: never before, and never equal to, that of the version it follows.

    A clock that jumps back must not reorder history; the versions of one resource differ by at least a millisecond.
    """
    now = now_ms(now)
    if base is not None and base.head.recorded >= now:
        return base.head.recorded + timedelta(milliseconds=1)
    return now


def instant(moment: datetime) -> str:
    """A FHIR instant with milliseconds: `2026-01-31T10:00:00.123Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=decimals.write)


def encode(content: FhirJson) -> bytes:
    """FHIR JSON as bytes; decimals keep their text, order is kept."""
    return _encoder.encode(content)


def stamped(content: FhirJson, *, key: ResourceKey, version: int, recorded: datetime) -> bytes:
    """The content as clients will read it: `resourceType`, `id` and `meta` first, everything else untouched."""
    meta = {"versionId": str(version), "lastUpdated": instant(recorded)}
    meta.update((k, v) for k, v in content.get("meta", {}).items() if k not in meta)
    head: FhirJson = {"resourceType": key.type, "id": key.id, "meta": meta}
    head.update((k, v) for k, v in content.items() if k not in head)
    return encode(head)


def next_revision(
    key: ResourceKey, content: FhirJson, *, method: Method, base: Stored | None, now: datetime
) -> Revision:
    """The version that follows `base`, with `content` stamped as its version."""
    version = base.head.version + 1 if base else 1
    recorded = next_recorded(now, base)
    return Revision(key, version, method, recorded, stamped(content, key=key, version=version, recorded=recorded))


def tombstone(key: ResourceKey, *, base: Stored, now: datetime) -> Revision:
    """The version that deletes: no content."""
    return Revision(key, base.head.version + 1, "DELETE", next_recorded(now, base), None)


def same_content(content: FhirJson, base: Stored, opened: bytes) -> bool:
    """Whether storing `content` would change nothing: byte equality after stamping it as the existing version."""
    head = base.head
    return stamped(content, key=head.key, version=head.version, recorded=head.recorded) == opened


def touched_patients(changes: Sequence[Change]) -> tuple[str, ...]:
    """Every patient whose compartment the changes touch, in order of appearance."""
    found: dict[str, None] = {}
    for change in changes:
        if change.description is not None:
            found.update(dict.fromkeys(change.description.patients))
        if change.base is not None and change.base.head.patient is not None:
            found[change.base.head.patient] = None
    return tuple(found)
