"""Reads batch and transaction Bundles entry by entry: https://hl7.org/fhir/R4/http.html#transaction

A Bundle of thousands of entries would hold the event loop for a second if it were decoded and checked at once. Here
only the envelope is: each resource is cut out of the body as it stands and a stand-in put in its place, so that the
envelope passes through exactly the checks every resource passes through. The resources are decoded one at a time, when
their turn comes.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from domain.errors import InvalidContent
from domain.identity import FhirJson
from domain.interactions.entries import Entry
from fhir_mapping.json_text import hidden_problems, parse
from fhir_mapping.problems import Problem, issues_of
from fhir_mapping.structure import check_resource

_STAND_IN = b'{"resourceType":"Patient"}'
_CARRYING = frozenset({"POST", "PUT", "PATCH"})


class BundleIn(NamedTuple):
    """`type` is `batch` or `transaction`."""

    type: str
    entries: list[Entry]


class _Entry(msgspec.Struct):
    resource: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Bundle(msgspec.Struct):
    entry: list[_Entry] = []


_cut = msgspec.json.Decoder(_Bundle).decode


def decode_bundle(body: bytes) -> BundleIn:
    """The Bundle in `body`, its envelope checked. Raises `InvalidContent` with an issue per problem."""
    envelope, resources = _take_out(body)
    content = parse(envelope)
    if type(content) is not dict or content.get("resourceType") != "Bundle":
        raise InvalidContent("A resource of type Bundle is expected", code="structure", expression="Bundle")
    if content.get("type") not in ("batch", "transaction"):
        raise InvalidContent("A Bundle sent here is a batch or a transaction", code="value", expression="Bundle.type")
    problems = check_resource(content) or hidden_problems(envelope, content) or _request_problems(content)
    if problems:
        raise InvalidContent("The Bundle breaks the rules of FHIR", issues=issues_of(problems, "Bundle"))
    entries = content.get("entry", [])
    return BundleIn(content["type"], [_entry(e, r) for e, r in zip(entries, resources, strict=True)])


def _take_out(body: bytes) -> tuple[bytes, list[bytes | None]]:
    """The body with a stand-in for each resource, and the resources in order.

    The text of an object holds quotes, so it can be found in no string of the body; should it stand where an earlier
    element is, that element becomes the stand-in and is refused for it.
    """
    try:
        entries = _cut(body).entry
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        entries = []  # whatever is wrong is found and told by the full checks
    pieces: list[bytes] = []
    resources: list[bytes | None] = []
    position = 0
    for entry in entries:
        resource = bytes(entry.resource) if entry.resource is not msgspec.UNSET else None
        resources.append(resource)
        if resource is None or resource[:1] != b"{":
            continue
        start = body.find(resource, position)
        if start < 0:
            break
        pieces += (body[position:start], _STAND_IN)
        position = start + len(resource)
    return b"".join([*pieces, body[position:]]), resources


def _request_problems(content: FhirJson) -> list[Problem]:
    problems: list[Problem] = []
    for index, entry in enumerate(content.get("entry", [])):
        request = entry["request"]  # there is one: bdl-3
        if "method" not in request or "url" not in request:
            problems.append(Problem("required", "A request has a method and a url", f".entry[{index}].request"))
        elif request["method"] in _CARRYING and "resource" not in entry:
            problems.append(Problem("required", "The entry has no resource", f".entry[{index}].resource"))
    return problems


def _entry(entry: FhirJson, resource: bytes | None) -> Entry:
    request = entry["request"]
    return Entry(
        method=request["method"],
        url=request["url"],
        full_url=entry.get("fullUrl"),
        resource=resource,
        if_none_exist=request.get("ifNoneExist"),
        if_match=request.get("ifMatch"),
        if_none_match=request.get("ifNoneMatch"),
        if_modified_since=request.get("ifModifiedSince"),
    )
