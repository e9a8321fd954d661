"""The one place where a failure becomes an HTTP status.

Statuses follow https://hl7.org/fhir/R4/http.html#Status-Codes and each interaction's own section. A class that is not listed
takes the status of its nearest listed base; a test keeps the table complete for the whole tree of `domain/errors.py`.
"""

from __future__ import annotations

from domain import errors

HTTP_STATUS: dict[type[errors.DomainError], int] = {
    errors.DomainError: 500,
    errors.InvalidRequest: 400,
    errors.InvalidContent: 400,
    errors.InvalidFields: 422,
    errors.PreconditionRequired: 428,
    errors.TooCostly: 400,
    errors.RepeatedKey: 422,
    errors.Unauthenticated: 401,
    errors.StepUpRequired: 401,
    errors.Forbidden: 403,
    errors.InsufficientScope: 403,
    errors.NotFound: 404,
    errors.Gone: 410,
    errors.NotSupported: 405,
    errors.NotProvided: 501,
    errors.UnsupportedMedia: 415,
    errors.NotAcceptable: 406,
    errors.Quarantined: 423,
    errors.TooLarge: 413,
    errors.TooSlow: 408,
    errors.Throttled: 429,
    errors.VersionConflict: 412,
    errors.MissingData: 412,
    errors.FailedDependency: 424,
    errors.AmbiguousMatch: 412,
    errors.Conflict: 409,
    errors.Contention: 409,
    errors.IntegrityFailure: 500,
    errors.Unavailable: 503,
    errors.OutcomeUnknown: 503,
    errors.AuditUnavailable: 503,
}


def status_of(error: errors.DomainError) -> int:
    """The HTTP status of a failure."""
    return next(HTTP_STATUS[kind] for kind in type(error).__mro__ if kind in HTTP_STATUS)


def headers_of(error: errors.DomainError) -> dict[str, str]:
    """The headers a failure must carry: a challenge (RFC 6750 section 3), or when to come back."""
    if isinstance(error, errors.StepUpRequired):
        # https://www.rfc-editor.org/rfc/rfc9470
        return {
            "www-authenticate": 'Bearer realm="chartvault", error="insufficient_user_authentication", max_age="300"'
        }
    if isinstance(error, errors.Unauthenticated):
        shown = ', error="invalid_token"' if error.reason in ("invalid_token", "token_expired") else ""
        return {"www-authenticate": f'Bearer realm="chartvault"{shown}'}
    if isinstance(error, errors.InsufficientScope):
        return {"www-authenticate": f'Bearer realm="chartvault", error="insufficient_scope", scope="{error.scope}"'}
    if isinstance(error, errors.Throttled):
        return {"retry-after": str(error.retry_after)}
    if isinstance(error, errors.Unavailable):
        return {"retry-after": "1"}
    return {}
