"""Every failure the product can name.

    DomainError
    ├── InvalidRequest            the request cannot be understood              (issue code "invalid" unless said otherwise)
    │   ├── InvalidContent        a resource breaks the rules of its type       ("structure", "value", "required", …)
    │   ├── InvalidFields         fields of a form break their rules            ("value")
    │   ├── PreconditionRequired  a write that must say what it replaces        ("required")
    │   ├── TooCostly             understood, but over a stated limit           ("too-costly")
    │   └── RepeatedKey           an Idempotency-Key reused for another request ("duplicate")
    ├── Unauthenticated           no caller, or a token that proves nothing     ("login")
    │   └── StepUpRequired        proved too long ago for what is asked         ("login")
    ├── Forbidden                 the caller may not do this                    ("forbidden")
    │   └── InsufficientScope     the token does not reach that far             ("forbidden")
    ├── NotFound                  nothing there, or nothing the caller may see  ("not-found")
    │   └── Gone                  it was there and was deleted or erased        ("deleted")
    ├── NotSupported              the interaction does not exist here           ("not-supported")
    ├── NotProvided               nobody carries this out for this installation ("not-supported")
    ├── UnsupportedMedia          a body in a format that is not read           ("not-supported")
    ├── NotAcceptable             an answer in a format that is not written     ("not-supported")
    ├── Quarantined               a document with malware in it                 ("security")
    ├── TooLarge                  a body over its limit                         ("too-long")
    ├── TooSlow                   a body that does not arrive in time           ("timeout")
    ├── Throttled                 come back later                               ("throttled")
    ├── VersionConflict           If-Match names a version that is not newest   ("conflict")
    ├── MissingData               what a decision needs cannot be fetched      ("incomplete")
    ├── FailedDependency          what this needs elsewhere is known to fail   ("processing")
    ├── AmbiguousMatch            a condition selects more than one resource    ("multiple-matches")
    ├── Conflict                  it would break a rule about others            ("business-rule")
    ├── Contention                writers kept colliding, nothing was stored    ("lock-error")
    ├── IntegrityFailure          stored bytes are not what was sealed          ("exception")
    └── Unavailable               a part we depend on does not answer           ("transient")
        ├── OutcomeUnknown        a write may or may not have happened          ("timeout")
        └── AuditUnavailable      it could not be recorded, so it did not happen ("transient")

A failure carries one or more `Issue`s with the FHIR issue code (https://hl7.org/fhir/R4/valueset-issue-type.html), one
sentence and, where there is one, the FHIRPath of the element. The HTTP status is decided in `api/errors.py`, once. `reason`
is a finer code for clients of `/api/v1`, such as `email_taken`; `details` are members of their problem document besides,
such as the free times instead of one that is taken. They go to the client and nowhere else.
Messages name resources by type and id; they never quote content, keys or tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import msgspec

Severity = Literal["fatal", "error", "warning", "information"]


class Issue(msgspec.Struct, frozen=True):
    """One finding. `expression` is a FHIRPath such as `Patient.name[0].given`; `code` is a FHIR issue type."""

    code: str
    message: str
    expression: str | None = None
    severity: Severity = "error"


class DomainError(Exception):
    """A failure with its FHIR issue code; `issues` holds one entry or, where finding all is cheap, several."""

    code: ClassVar[str] = "processing"

    def __init__(
        self,
        message: str,
        *,
        expression: str | None = None,
        code: str | None = None,
        issues: Sequence[Issue] = (),
        reason: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.details: Mapping[str, Any] = details or {}
        self.issues: tuple[Issue, ...] = tuple(issues) or (
            Issue(code=code or self.code, message=message, expression=expression),
        )


class InvalidRequest(DomainError):
    code = "invalid"


class InvalidContent(InvalidRequest):
    code = "invalid"


class InvalidFields(InvalidRequest):
    code = "value"


class PreconditionRequired(InvalidRequest):
    code = "required"


class TooCostly(InvalidRequest):
    code = "too-costly"


class RepeatedKey(InvalidRequest):
    code = "duplicate"


class Unauthenticated(DomainError):
    code = "login"


class StepUpRequired(Unauthenticated):
    code = "login"


class Forbidden(DomainError):
    code = "forbidden"


class InsufficientScope(Forbidden):
    """`scope` would allow it, as far as tokens go: https://www.rfc-editor.org/rfc/rfc6750#section-3.1"""

    def __init__(self, message: str, *, scope: str) -> None:
        super().__init__(message, reason="insufficient_scope")
        self.scope = scope


class NotFound(DomainError):
    code = "not-found"


class Gone(NotFound):
    code = "deleted"


class NotSupported(DomainError):
    code = "not-supported"


class NotProvided(DomainError):
    code = "not-supported"


class UnsupportedMedia(DomainError):
    code = "not-supported"


class NotAcceptable(DomainError):
    code = "not-supported"


class Quarantined(DomainError):
    code = "security"


class TooLarge(DomainError):
    code = "too-long"


class TooSlow(DomainError):
    code = "timeout"


class Throttled(DomainError):
    """`retry_after` is in seconds."""

    code = "throttled"

    def __init__(self, message: str, *, reason: str | None = None, retry_after: int = 1) -> None:
        super().__init__(message, reason=reason)
        self.retry_after = retry_after


class VersionConflict(DomainError):
    code = "conflict"


class MissingData(DomainError):
    code = "incomplete"


class FailedDependency(DomainError):
    code = "processing"


class AmbiguousMatch(DomainError):
    code = "multiple-matches"


class Conflict(DomainError):
    code = "business-rule"


class Contention(DomainError):
    code = "lock-error"


class IntegrityFailure(DomainError):
    code = "exception"


class Unavailable(DomainError):
    code = "transient"


class OutcomeUnknown(Unavailable):
    code = "timeout"


class AuditUnavailable(Unavailable):
    code = "transient"
