"""The route table of the FHIR surface: method and shape of the path to interaction and handler.

https://hl7.org/fhir/R4/http.html#summary. A shape names each segment: a literal, or `{type}`, `{id}`, `{inner}` (a type in a
compartment), `{version}`. Adding an interaction is one row. A known shape with another method answers 405 with Allow; an
unknown shape or type answers 404.
"""

from __future__ import annotations

from typing import NamedTuple

from api.fhir import (
    audit_events,
    bundles,
    docref,
    everything,
    histories,
    instance,
    operations,
    patient_operations,
    reindexing,
    scheduling,
    searches,
    summary,
    system,
    typed,
)
from api.fhir.service import Handler
from domain.audit import READ_ONLY
from domain.errors import NotFound, NotSupported


class Route(NamedTuple):
    """One interaction. `body` says which limit a body has; `public` routes need no token and are not audited."""

    interaction: str
    handler: Handler
    body: str = ""
    public: bool = False


ROUTES: dict[str, dict[str, Route]] = {
    "": {
        "GET": Route("search-system", searches.in_system),
        "POST": Route("transaction", bundles.process, body="bundle"),
    },
    "_search": {"POST": Route("search-system", searches.in_system, body="resource")},
    "metadata": {"GET": Route("capabilities", system.capabilities, public=True)},
    "_history": {"GET": Route("history-system", histories.system)},
    "$reindex": {"POST": Route("operation", reindexing.reindex, body="resource")},
    "$reindex/{id}": {"GET": Route("operation", reindexing.job)},
    "{type}": {
        "GET": Route("search-type", searches.in_type),
        "POST": Route("create", typed.create, body="resource"),
        "PUT": Route("update", typed.update, body="resource"),
        "PATCH": Route("patch", typed.patch, body="resource"),
        "DELETE": Route("delete", typed.delete),
    },
    "{type}/_search": {"POST": Route("search-type", searches.in_type, body="resource")},
    "{type}/_history": {"GET": Route("history-type", histories.of_type)},
    "{type}/$lastn": {
        "GET": Route("operation", patient_operations.lastn),
        "POST": Route("operation", patient_operations.lastn, body="resource"),
    },
    "{type}/$find": {
        "GET": Route("operation", scheduling.find),
        "POST": Route("operation", scheduling.find, body="resource"),
    },
    "{type}/$hold": {"POST": Route("operation", scheduling.hold, body="resource")},
    "{type}/$book": {"POST": Route("operation", scheduling.book, body="resource")},
    "{type}/$docref": {
        "GET": Route("operation", docref.docref),
        "POST": Route("operation", docref.docref, body="resource"),
    },
    "{type}/$match": {"POST": Route("operation", patient_operations.match, body="resource")},
    "{type}/{id}/$reindex": {
        "GET": Route("operation", reindexing.jobs),
        "POST": Route("operation", reindexing.reindex, body="resource"),
    },
    "{type}/{id}/$everything": {
        "GET": Route("operation", everything.everything),
        "POST": Route("operation", everything.everything, body="resource"),
    },
    "{type}/{id}/$summary": {
        "GET": Route("operation", summary.summary),
        "POST": Route("operation", summary.summary, body="resource"),
    },
    "{type}/$validate": {"POST": Route("operation", operations.validate, body="resource")},
    "{type}/{id}": {
        "GET": Route("read", instance.read),
        "PUT": Route("update", instance.update, body="resource"),
        "PATCH": Route("patch", instance.patch, body="resource"),
        "DELETE": Route("delete", instance.delete),
    },
    "{type}/{id}/_history": {"GET": Route("history-instance", histories.instance)},
    "{type}/{id}/_history/{version}": {"GET": Route("vread", instance.vread)},
    "{type}/{id}/{inner}": {"GET": Route("search-type", searches.in_compartment)},
    "{type}/{id}/{inner}/_search": {"POST": Route("search-type", searches.in_compartment, body="resource")},
    "{type}/{id}/$validate": {
        "GET": Route("operation", operations.validate_stored),
        "POST": Route("operation", operations.validate, body="resource"),
    },
}


AUDIT_ROUTES: dict[str, dict[str, Route]] = {
    "{type}": {"GET": Route("search-type", audit_events.search)},
    "{type}/_search": {"POST": Route("search-type", audit_events.search, body="resource")},
    "{type}/{id}": {"GET": Route("read", audit_events.read)},
    "{type}/$validate": ROUTES["{type}/$validate"],
    "{type}/{id}/{inner}": {"GET": Route("search-type", audit_events.of_patient)},
    "{type}/{id}/{inner}/_search": {"POST": Route("search-type", audit_events.of_patient, body="resource")},
}
"""Paths that name AuditEvent, as type or within a compartment: read-only."""


def shape_of(segments: tuple[str, ...]) -> str:
    """The shape of a path: `("Patient", "1", "_history")` is `{type}/{id}/_history`."""
    if not segments:
        return ""
    first = segments[0]
    if first == "$reindex" and len(segments) == 2:
        return "$reindex/{id}"
    if first[0] in "_$" or first == "metadata":
        return "/".join(segments)
    names = ["{type}", "{id}", "{inner}", "{version}"]
    words = [
        segment if position > 0 and segment[0] in "_$" else names[position] if position < 4 else ""
        for position, segment in enumerate(segments)
    ]
    return "/".join(words)


def find(method: str, segments: tuple[str, ...], types: frozenset[str]) -> Route:
    """The route of a request. Raises `NotFound` for an unknown path or type, `NotSupported` for a method it has not."""
    table = AUDIT_ROUTES if READ_ONLY in segments else ROUTES
    by_method = table.get(shape_of(segments))
    if by_method is None:
        raise NotFound("There is nothing at this address", code="not-supported")
    if segments and segments[0] not in types and segments[0][0] not in "_$" and segments[0] != "metadata":
        raise NotFound("This is not an R4 resource type that is supported here", code="not-supported")
    route = by_method.get("GET" if method == "HEAD" else method)
    if route is None:
        raise MethodMissing(f"{method} is not possible here", allowed=tuple(by_method))
    return route


class MethodMissing(NotSupported):
    """405; `allowed` goes into the Allow header (RFC 7231 section 6.5.5)."""

    def __init__(self, message: str, *, allowed: tuple[str, ...]) -> None:
        super().__init__(message)
        self.allowed = allowed
