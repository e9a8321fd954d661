"""What synchronisation reads and writes of FHIR: a provider's entries as resources of ours, and runs as Task and Provenance.

Implemented by `fhir_mapping.provider_entries` and `fhir_mapping.friendly.syncs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Literal, NamedTuple, Protocol, TypeAlias

import msgspec

from domain.clinic.provider_ports import Connection
from domain.clinic.sync_items import Coming
from domain.clinic.sync_runs import Run
from domain.documents.linking import InlineData
from domain.identity import FhirJson, ResourceKey

RequestStatus: TypeAlias = Literal["REQUESTED", "ACCEPTED", "COMPLETED", "DECLINED"]


class Entries(Protocol):
    """A provider's entries. Nothing they say is believed but what `Validate` and the caller check."""

    def name(self, entry: FhirJson) -> str | None:
        """What the provider calls it (`Observation/7`); `None` for what has no usable type and id."""
        ...

    def version(self, entry: FhirJson) -> str | None: ...

    def digest(self, entry: FhirJson) -> bytes:
        """Of its content, whatever its version and time are: equal when nothing was changed."""
        ...

    def mentions(self, entry: FhirJson, base: str) -> Sequence[str]:
        """The entries of the provider with this base that it refers to, by name."""
        ...

    def ours(self, entry: FhirJson, key: ResourceKey, *, base: str, names: Mapping[str, str]) -> FhirJson:
        """The entry as the resource `key`: its source named, references to `names` turned to what they are here, all others to
        the provider's absolute addresses. https://hl7.org/fhir/R4/resource.html#Meta"""
        ...

    def files(self, content: FhirJson) -> Sequence[InlineData]:
        """The Attachments of a DocumentReference, `data` empty for those that are to be fetched."""
        ...

    def title(self, content: FhirJson) -> str:
        """What people call it, for lists."""
        ...

    def news(self, content: FhirJson, before: FhirJson | None) -> str | None:
        """Why a change is worth telling of, in words; `None` when it is not. PRODUCT 2.9."""
        ...


class RequestForm(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a provider: documents of these types, of these days, and why."""

    types: tuple[str, ...]
    message: str
    since: date | None = None
    until: date | None = None

    def __repr__(self) -> str:
        return "RequestForm(…)"


class RequestCard(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it is shown. `remote` is what the provider calls it; without one, `note` says why it was not sent."""

    id: str
    version: int
    updated_at: datetime
    created_at: datetime | None
    patient_id: str | None
    status: RequestStatus
    types: tuple[str, ...]
    since: date | None
    until: date | None
    message: str | None
    remote: str | None
    note: str | None

    def __repr__(self) -> str:
        return f"RequestCard({self.id})"


class Sent(NamedTuple):
    """What became of sending a request: what the provider calls it, or why it was not sent."""

    remote: str | None
    note: str | None


class SyncRecords(Protocol):
    """Runs and requests as FHIR. https://hl7.org/fhir/R4/task.html, https://hl7.org/fhir/R4/provenance.html"""

    def task(self, run: Run, documents: Sequence[str]) -> FhirJson:
        """The Task of a run as it is now, with the documents it brought."""
        ...

    def provenance(self, run: Run, connection: Connection, targets: Sequence[str], coming: Coming) -> FhirJson:
        """Where the resources that a run took came from."""
        ...

    def request(self, form: RequestForm, patient: str, *, by: str | None, now: datetime) -> FhirJson:
        """The Task of a request for documents."""
        ...

    def sent(self, request: FhirJson, sent: Sent, now: datetime) -> FhirJson:
        """The same after it was tried to send it."""
        ...

    def for_provider(self, request: FhirJson, connection: Connection) -> FhirJson:
        """The same as a Task for the provider."""
        ...

    def request_card(self, content: FhirJson, *, version: int, updated: datetime) -> RequestCard | None:
        """What is shown of it; `None` for another Task."""
        ...

    def waiting(self, patient: str) -> list[tuple[str, str]]:
        """The search parameters that select requests of a patient that were not sent."""
        ...
