"""What synchronising with a patient's provider needs of the outside: the connection that was agreed, and the other server.

Each docstring is the contract. Nothing here prints what it holds: an address, a secret or an answer of the provider is in no
message and no repr. What went wrong is one of `Cause`, each a row of the troubleshooting table.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol, TypeAlias

import msgspec

from domain.identity import FhirJson

Cause: TypeAlias = Literal[
    "unauthorized",
    "forbidden",
    "unknown_patient",
    "throttled",
    "provider_error",
    "unreachable",
    "tls",
    "timeout",
    "bad_content",
    "hash_mismatch",
    "not_allowed",
    "conflict",
    "gone",
]
"""Why something did not work with a provider; `not_allowed` is an address that this installation may not call."""
AuthKind: TypeAlias = Literal["NONE", "BASIC", "BEARER", "CLIENT_CREDENTIALS"]


class ProviderTrouble(Exception):
    """Something did not work with a provider. `retry_after` are the seconds it asks us to wait, if it does."""

    def __init__(self, cause: Cause, *, retry_after: float | None = None) -> None:
        super().__init__(cause)
        self.cause: Cause = cause
        self.retry_after = retry_after


class Auth(msgspec.Struct, frozen=True, kw_only=True):
    """How we prove who we are: BASIC is `name` and `secret`, BEARER the token `secret`, CLIENT_CREDENTIALS the client `name`
    with its `secret` at `token_url` for `scope` (RFC 6749 section 4.4)."""

    kind: AuthKind = "NONE"
    name: str = ""
    secret: str = ""
    token_url: str = ""
    scope: str = ""

    def __repr__(self) -> str:
        return f"Auth({self.kind})"


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """Where the records of a patient are kept as well, and what of it comes to us.

    `id` is the same whenever the same patient is connected with the same person there; `patient` is our logical id,
    `remote_patient` theirs. `base` is the FHIR base without a slash at the end. `every` is the time between automatic runs,
    `None` for none; `types` are the resource types to take. `version` counts the changes, the last was made at `updated`.
    """

    id: str
    patient: str
    name: str
    base: str
    remote_patient: str
    auth: Auth = Auth()
    every: timedelta | None = None
    types: tuple[str, ...] = ()
    version: int = 0
    updated: datetime | None = None

    def __repr__(self) -> str:
        return f"Connection({self.id}, {self.version})"


class Connections(Protocol):
    """The connection of each patient, one at most. Implemented by `storage.mongo.provider_connections`.

    Everything but the times is sealed with the patient's key: when the patient is erased, so is the connection.
    """

    async def get(self, patient: str) -> Connection | None: ...

    async def put(self, connection: Connection, *, seen: int | None, due: datetime | None = None) -> Connection:
        """Store it in place of the version `seen`, `None` for none, and give it the next version. An automatic run is due at
        `due`. Raises `VersionConflict` when somebody was faster, `Gone` when the patient was erased."""
        ...

    async def remove(self, patient: str, *, seen: int | None = None) -> bool:
        """Forget it with its secrets. Whether there was one; raises `VersionConflict` when it is not at the version `seen`."""
        ...

    async def due(self, now: datetime, limit: int) -> list[str]:
        """The patients whose next automatic run is due, the one that waits longest first."""
        ...

    async def plan(self, connection: Connection, at: datetime | None) -> None:
        """The next automatic run is due at `at`, `None` for never. Nothing happens when the connection was changed since."""
        ...


class Able(NamedTuple):
    """What a provider says of itself. https://hl7.org/fhir/R4/capabilitystatement.html

    `types` are those it lets us search, `dated` those of them that know `_lastUpdated`.
    """

    fhir_version: str
    types: frozenset[str]
    dated: frozenset[str]
    takes_tasks: bool

    @property
    def is_r4(self) -> bool:
        return self.fhir_version.startswith("4.0")


class RemotePage(NamedTuple):
    """One page of a search: what it holds, and when the provider says it answered (its clock, not ours)."""

    resources: Sequence[FhirJson]
    date: datetime


class Remote(Protocol):
    """One session with a provider. Implemented by `api.provider_calls`; everything raises `ProviderTrouble`.

    Every wait, every body and the number of pages are bounded; only addresses of the provider's own origin are called.
    """

    async def able(self) -> Able:
        """From the provider's CapabilityStatement, asked once a session."""
        ...

    def pages(self, resource_type: str, *, since: datetime | None) -> AsyncIterator[RemotePage]:
        """The patient's resources of a type, changed at or after `since`, page by page. Fails rather than ends early: what
        came to its end is complete."""
        ...

    async def read(self, resource_type: str, logical_id: str) -> FhirJson:
        """One resource as it is there now; `gone` when there is none, or for a Patient `unknown_patient`."""
        ...

    def content(self, url: str) -> AsyncIterator[bytes]:
        """The bytes behind the `url` of an Attachment, absolute or relative to the base."""
        ...

    async def create(self, resource: FhirJson) -> str | None:
        """Create a resource there; its reference (`Task/1`) when the provider names it."""
        ...

    async def update(self, resource: FhirJson, *, if_match: str | None) -> str | None:
        """Replace a resource there, if it still is at the version `if_match`: `conflict` otherwise. Its new version, when the
        provider names it."""
        ...


class Remotes(Protocol):
    """Implemented by `api.provider_calls`."""

    def open(self, connection: Connection) -> AbstractAsyncContextManager[Remote]:
        """A session; nothing is called before it is used."""
        ...

    def objection_to(self, url: str) -> str | None:
        """Why this installation calls no such address whatever it resolves to; `None` when it may."""
        ...
