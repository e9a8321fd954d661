"""Failures as problem+json (RFC 9457, https://www.rfc-editor.org/rfc/rfc9457) with the codes of PRODUCT 2.10.

Statuses come from the one table in `api/errors.py`. `code` is for programs: the failure's own reason, or its class's.
"""

from __future__ import annotations

import re
from http import HTTPStatus

import msgspec

from api.errors import headers_of, status_of
from api.v1.endpoint import Outcome, View
from domain.errors import DomainError

_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")
PROBLEM = "application/problem+json"


class FieldProblem(View, frozen=True, kw_only=True):
    """What is wrong with one field. `path` is that of the field in the body, or `?name` for a parameter."""

    path: str
    message: str


class Problem(View, frozen=True, kw_only=True):
    """The body of every failure."""

    title: str
    status: int
    detail: str
    code: str
    request_id: str
    type: str = "about:blank"
    errors: tuple[FieldProblem, ...] = ()


def problem_of(error: DomainError, request_id: str) -> Outcome:
    """The answer that tells of a failure."""
    status = status_of(error)
    problem = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=error.message,
        code=code_of(error),
        request_id=request_id,
        errors=tuple(
            FieldProblem(path=each.expression, message=each.message) for each in error.issues if each.expression
        ),
    )
    headers = {"content-type": PROBLEM, **headers_of(error)}
    body = {**error.details, **msgspec.to_builtins(problem)} if error.details else problem
    return Outcome(msgspec.json.encode(body), status, headers)


def code_of(error: DomainError) -> str:
    """`version_conflict` for a `VersionConflict`, unless the failure has a reason of its own."""
    return error.reason or _WORDS.sub("_", type(error).__name__).lower()
