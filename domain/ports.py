"""What the use cases need from the outside, as protocols. Each docstring is the contract; implementations add only how.

Storage ports are held to one behaviour suite each (`tests/contracts`), run against every implementation. Those of blobs and
of background work stand beside their values: `domain/blobs.py`, `domain/jobs.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.audit import AuditEntry
from domain.cells import Held
from domain.errors import DomainError, Issue
from domain.history_query import HistoryKey, HistoryQuery
from domain.identity import FhirJson, ResourceKey
from domain.revision import Description, Head, Receipt, Stored, Write
from domain.search import Condition, PageKey, ParsedSearch, SearchQuery


class SearchPage(Protocol):
    """One page of a search: `matches` in order, `next` when there are more, `total` when it was asked for."""

    @property
    def matches(self) -> Sequence[Stored]: ...
    @property
    def next(self) -> PageKey | None: ...
    @property
    def total(self) -> int | None: ...


class HistoryPage(Protocol):
    """One page of a history, newest first. `total` counts all versions the query selects."""

    @property
    def versions(self) -> Sequence[Stored]: ...
    @property
    def next(self) -> HistoryKey | None: ...
    @property
    def total(self) -> int: ...


class Owners(Protocol):
    """Whose records the matches of a search are in: the distinct `patients`, and the matches nobody owns alone."""

    @property
    def patients(self) -> Sequence[str]: ...
    @property
    def unowned(self) -> Sequence[Stored]: ...


class RevisionStore(Protocol):
    """Resources and all their versions.

    Implemented by `storage.mongo.revisions` and `storage.memory.revisions`; held to `tests/contracts/revision_store.py`.
    """

    async def newest(self, key: ResourceKey) -> Stored | None:
        """The newest version, a deletion included; `None` when there never was one. Nothing is opened."""
        ...

    async def newest_of(self, keys: Sequence[ResourceKey]) -> list[Stored | None]:
        """`newest` of each key, in order, in one round trip."""
        ...

    async def version(self, key: ResourceKey, version: int) -> Stored | None:
        """One version, a deletion included; `None` when there is none of that number."""
        ...

    async def open(self, stored: Sequence[Stored]) -> list[bytes | DomainError]:
        """The JSON of each version, in order. Keys are fetched once for all of them.

        What cannot be opened comes as an error in its place: `Gone` when the key was erased (or the version is a
        deletion), `IntegrityFailure` when the bytes are not what was sealed there. One bad entry never fails the others.
        """
        ...

    async def found(self, stored: Sequence[Stored]) -> list[frozenset[str]]:
        """The words of the documents that belong to each newest version, as its writer gave them (`Description.found`).

        None for older versions, and for what cannot be opened."""
        ...

    async def find(self, query: SearchQuery) -> SearchPage:
        """One page of live resources that satisfy every condition, in the query's order.

        `Linked` conditions must have been solved. Raises `Unavailable` when the database does not answer in time.
        """
        ...

    async def keys(self, queries: Sequence[SearchQuery], *, limit: int) -> list[ResourceKey]:
        """What satisfies any of the queries, at most `limit`, in no order; pages and sorts are not looked at."""
        ...

    async def owners(self, query: SearchQuery, *, limit: int) -> Owners:
        """The owners of everything that satisfies the query: at most `limit` of either kind, in no order."""
        ...

    async def pointed_at(self, outer: SearchQuery, source: SearchQuery, parameter: str, *, limit: int) -> list[str]:
        """The ids of what satisfies `outer` and something that satisfies `source` points at by this reference: at most
        `limit`, in no order, in bounded memory. `outer` may give more where the index cannot decide; `source` must not need
        opening."""
        ...

    async def compartment(
        self,
        patient: str,
        *,
        types: Sequence[str],
        since: datetime | None,
        after: str,
        count: int,
        conditions: Mapping[str, Sequence[Condition]] | None = None,
    ) -> list[Stored]:
        """Live resources of a patient's compartment, of these types, changed at or after `since`, in the order of their
        names (`Type/id`), from the first name greater than `after`. `conditions` are asked of those of a type."""
        ...

    async def walk(self, *, types: Sequence[str], since: datetime | None, after: str, count: int) -> list[Stored]:
        """Live resources of these types, changed at or after `since`, in the order of their names, from the first name
        greater than `after`. For background work: no caller, so access narrows nothing."""
        ...

    async def history(self, query: HistoryQuery) -> HistoryPage:
        """One page of versions, newest first (by time, then by name)."""
        ...

    async def claim(self, names: Sequence[str]) -> list[int]:
        """How many writes relied on each of these conditions so far. Read before evaluating a condition."""
        ...

    async def cells(self, names: Sequence[str]) -> list[Held]:
        """Who holds each of these cells. Read before planning a booking."""
        ...

    async def receipt(self, name: str) -> Receipt | None:
        """The kept answer of an earlier request with this Idempotency-Key, if it committed."""
        ...

    async def commit(self, write: Write) -> None:
        """Store every change, claim, cell, notice, receipt and the audit entry of `write`, or nothing. Durable when it
        returns. Its blobs become ready in the same step.

        Versions of one resource count 1, 2, 3 … without gaps, deletions included.
        Raises `VersionConflict` when a change's base is no longer the newest, `Contention` when a claim or
        cell was overtaken or a receipt of that name exists (the caller evaluates again), `Gone` when a patient of the
        write was erased or a blob is not pending (published already, expired, discarded),
        `OutcomeUnknown` when the database cannot say whether it happened, `Unavailable` when it surely did not.
        """
        ...


class AuditTrail(Protocol):
    """The append-only record of requests.

    Implemented by `storage.mongo.audit` and `storage.memory.audit`; held to `tests/contracts/audit_trail.py`.
    """

    async def record(self, entry: AuditEntry) -> None:
        """Durable when it returns. Raises `AuditUnavailable` when it could not be stored."""
        ...


class Validate(Protocol):
    """JSON bytes to a checked resource. Implemented by `fhir_mapping.validation`."""

    def decode(self, body: bytes, resource_type: str | None) -> FhirJson:
        """Parse and check one resource; `resource_type` is the type the URL names, `None` for any supported type.

        Raises `InvalidContent` with one issue per problem found, each with the FHIRPath of its element.
        """
        ...

    def check(self, content: FhirJson) -> None:
        """The same checks on a resource that was built or patched here."""
        ...

    def second_opinion(self, content: FhirJson) -> list[Issue]:
        """What an independent model library says of it, as warnings; empty when it agrees."""
        ...


class Describe(Protocol):
    """Resource to description. Implemented by `fhir_mapping.index_terms`."""

    def describe(self, content: FhirJson, key: ResourceKey) -> Description: ...

    def sensitivity(self, content: FhirJson, resource_type: str) -> Sequence[str]:
        """The security labels (`system|code`) that its codes call for."""
        ...


class Inspected(Protocol):
    """One opened resource, as searches look at it."""

    def satisfies(self, condition: Condition) -> bool:
        """Whether it satisfies a condition, what its index entries cannot tell included."""
        ...

    def sort_value(self, code: str, descending: bool) -> str | int | None:
        """Its value of a parameter for sorting, the greatest of several when `descending`; `None` without one."""
        ...


class Inspect(Protocol):
    """Opened resource to what searches look at. Implemented by `fhir_mapping.inspection`."""

    def __call__(self, head: Head, content: bytes, found: frozenset[str] = frozenset()) -> Inspected:
        """`found` are the words of the documents that belong to the resource (`RevisionStore.found`)."""
        ...


class ParseSearch(Protocol):
    """Query string to query. Implemented by `fhir_mapping.query_string`."""

    def parse(self, resource_type: str, pairs: Sequence[tuple[str, str]], *, strict: bool) -> ParsedSearch:
        """`pairs` as decoded from the URL, in order. Unknown parameters are named in `ignored`, or with `strict` refused.

        Raises `InvalidRequest` naming the parameter for a bad value, an unknown modifier or too many of either.
        """
        ...

    def within(self, compartment: ResourceKey, resource_type: str) -> Condition:
        """The condition of being in a compartment. Raises `NotFound` for an unknown kind of compartment,
        `InvalidRequest` for a type it never holds. https://hl7.org/fhir/R4/compartmentdefinition.html"""
        ...

    def together(
        self, resource_type: str, conditions: Sequence[Condition], *, anybody: bool = False
    ) -> tuple[Condition, ...]:
        """The same conditions, a patient and a value as one where the index knows both at once.

        `anybody`: a value that counts only in resources about a patient, whoever that is.
        """
        ...

    def types(self) -> Sequence[str]:
        """Every resource type there is."""
        ...

    def types_within(self, kind: str) -> Sequence[str]:
        """The types a kind of compartment may hold, sorted. Raises `NotFound` for an unknown kind."""
        ...


class Links(Protocol):
    """References inside a resource. Implemented by `fhir_mapping.references`."""

    def rewrite(self, content: FhirJson, targets: Mapping[str, str]) -> None:
        """Replace, in place, every reference, uri, url, oid, uuid or narrative link that equals a key of `targets`.

        https://hl7.org/fhir/R4/http.html#trules: "Elements of type canonical are not replaced."
        """
        ...

    def conditional(self, content: FhirJson) -> list[str]:
        """The conditional references (`Patient?identifier=…`) in the resource, each once."""
        ...


class Patches(Protocol):
    """Patch documents. Implemented by `fhir_mapping.patches`."""

    def apply(self, content: FhirJson, body: bytes, media_type: str) -> FhirJson:
        """The patched copy. Raises `InvalidRequest` for a bad patch, `InvalidContent` when it does not fit the resource,
        `UnsupportedMedia` for a format that is not a patch."""
        ...


class Clock(Protocol):
    def __call__(self) -> datetime:
        """Now, with a zone."""
        ...


class NewId(Protocol):
    def __call__(self) -> str:
        """A new logical id, never used before; later ids sort after earlier ones."""
        ...
