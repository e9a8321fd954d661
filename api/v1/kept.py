"""Answers about one resource: what is shown, where it is, its version, what the audit names; and If-Match."""

from __future__ import annotations

from typing import cast

import msgspec

from api.v1.endpoint import NOTHING, Outcome, View, Visit
from api.v1.service import Service
from domain.errors import InvalidFields, PreconditionRequired
from domain.identity import parse_etags
from domain.interactions.parts import Answer


def kept(visit: Visit, answer: Answer, view: View, *, location: str | None = None) -> Outcome:
    """The answer to a read or write of one resource. With `location`, its path below `/api/v1`, it is a new one."""
    visit.concerns(*answer.targets, patients=answer.patients)
    headers = {} if location is None else {"location": f"/api/v1{location}"}
    version = None if answer.head is None else answer.head.version
    return Outcome(view, 200 if location is None else 201, headers, version, recorded=answer.recorded)


def gone(visit: Visit, answer: Answer) -> Outcome:
    """The answer to a removal."""
    visit.concerns(*answer.targets, patients=answer.patients)
    return msgspec.structs.replace(NOTHING, recorded=answer.recorded)


def wanted_version(service: Service, visit: Visit) -> frozenset[str] | None:
    """The versions If-Match names; `None` without one. Raises `PreconditionRequired` where the settings ask for it,
    `InvalidFields` for one that names no version."""
    text = visit.header(b"if-match")
    if text is None:
        if service.limits.require_if_match:
            raise PreconditionRequired("If-Match with the version you have read is required")
        return None
    tags = parse_etags(text)
    if not tags:
        raise InvalidFields("If-Match names no version")
    return cast("frozenset[str]", frozenset(tags))
