"""Answers and failures as HTTP replies: ETag, Last-Modified, Location, Prefer, `_summary`, `_elements`, `_pretty`.

https://hl7.org/fhir/R4/http.html#versionaware, #create, #prefer. The stored bytes of a resource go out as they are; they are
decoded only when the client asks for a part of them or for a readable form.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from api.errors import headers_of, status_of
from api.fhir.exchange import FHIR_JSON, Exchange, Reply
from api.fhir.headers import flag, http_date, preference
from domain.errors import DomainError, Issue
from domain.identity import FhirJson, etag
from domain.interactions.parts import Answer
from domain.revision import encode
from fhir_mapping.json_text import parse
from fhir_mapping.outcome import operation_outcome, outcome_of
from fhir_mapping.subset import parse_summary, summarised, with_elements

CONTENT_TYPE = f"{FHIR_JSON}; charset=utf-8"


def resource_reply(exchange: Exchange, answer: Answer) -> Reply:
    """The reply to a read: the version with ETag and Last-Modified, or 304 without a body."""
    body = answer.content or b""
    if exchange.query and body:
        body = shaped(exchange, body)
    return _reply(answer, body)


def written_reply(exchange: Exchange, answer: Answer) -> Reply:
    """The reply to a write, with the body the client prefers, and a Location for what was created."""
    returns = preference(exchange).returns
    body = b""
    if returns in (None, "representation") and answer.content is not None:
        body = shaped(exchange, answer.content) if exchange.query else answer.content
    elif returns == "OperationOutcome":
        body = encode(operation_outcome([Issue("informational", "Done", severity="information")]))
    reply = _reply(answer, body)
    if body and reply.status == 204:
        reply.status = 200
    if answer.head is not None and not answer.head.deleted:
        reply.headers["location"] = location(exchange, answer)
    return reply


def location(exchange: Exchange, answer: Answer) -> str:
    """Where the version can be read: `[base]/Patient/123/_history/4`."""
    head = answer.head
    return f"{exchange.base_url}/{head.key}/_history/{head.version}" if head is not None else exchange.base_url


def _reply(answer: Answer, body: bytes) -> Reply:
    headers = {"content-type": CONTENT_TYPE} if body else {}
    if answer.head is not None:
        headers["etag"] = etag(answer.head.version)
        headers["last-modified"] = http_date(answer.head.recorded)
    return Reply(answer.status, headers, body, answer.head, answer.targets, answer.patients, answer.recorded)


def failure_reply(error: DomainError) -> Reply:
    """The reply to a failure: its status and an OperationOutcome."""
    headers = {"content-type": CONTENT_TYPE, **headers_of(error)}
    return Reply(status_of(error), headers, encode(outcome_of(error)))


def bundle_reply(exchange: Exchange, body: bytes, status: int = 200) -> Reply:
    """The reply that carries a Bundle, or any resource that has no version."""
    if exchange.query and flag(exchange, "_pretty"):
        body = msgspec.json.format(body, indent=2)
    return Reply(status, {"content-type": CONTENT_TYPE}, body)


Subset = Callable[[FhirJson], FhirJson]


def subset_of(exchange: Exchange) -> Subset | None:
    """Which part of each resource the client asks for; `None` for all of it.

    https://hl7.org/fhir/R4/search.html#summary, https://hl7.org/fhir/R4/search.html#elements
    """
    if not exchange.query:
        return None
    asked, names = exchange.parameter("_summary"), exchange.parameter("_elements")
    if asked is not None:
        summary = parse_summary(asked)
        return None if summary == "false" else lambda content: summarised(content, summary)
    if names:
        return lambda content: with_elements(content, names.split(","))
    return None


def shaped(exchange: Exchange, body: bytes) -> bytes:
    """A resource's bytes as the query wants them: `_summary` or `_elements`, then `_pretty`."""
    subset = subset_of(exchange)
    if subset is not None:
        body = cut(subset, body)
    return msgspec.json.format(body, indent=2) if flag(exchange, "_pretty") else body


def cut(subset: Subset, body: bytes) -> bytes:
    """The part of a resource that `subset` selects, as JSON."""
    return encode(subset(parse(body)))
