"""What a provider answers, read leniently where the specification leaves room and as a cause where it does not.

Nothing of an answer is in what is raised.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from api.provider_wire import Head
from domain.clinic.provider_ports import Able, Cause, ProviderTrouble
from domain.errors import InvalidContent
from domain.identity import FhirJson
from fhir_mapping.json_text import parse

_LONGEST_PAUSE = 86_400.0
_TROUBLES: dict[int, Cause] = {
    401: "unauthorized",
    403: "forbidden",
    404: "gone",
    409: "conflict",
    410: "gone",
    412: "conflict",
}


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL. Raises `ProviderTrouble` for what is none of http."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ProviderTrouble("bad_content") from None
    if parts.scheme not in ("http", "https") or "@" in parts.netloc:
        raise ProviderTrouble("not_allowed")
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80)


def joined(base: str, url: str) -> str:
    """A URL as seen from `base`."""
    try:
        return urljoin(f"{base}/", url)
    except ValueError:
        raise ProviderTrouble("bad_content") from None


def require_success(head: Head) -> None:
    """The status as a cause. A redirect is content that is not FHIR: the address that was given is not that of the provider."""
    if 200 <= head.status < 300:
        return
    pause = _pause(head)
    if head.status == 429 or (head.status == 503 and pause is not None):
        raise ProviderTrouble("throttled", retry_after=pause)
    if head.status >= 500:
        raise ProviderTrouble("provider_error", retry_after=pause)
    raise ProviderTrouble(_TROUBLES.get(head.status, "bad_content"))


def _pause(head: Head) -> float | None:
    """https://www.rfc-editor.org/rfc/rfc9110#name-retry-after"""
    text = head.fields.get("retry-after", "")
    if text.isascii() and text.isdecimal():
        return min(float(text[:9]), _LONGEST_PAUSE)
    moment = _moment(text)
    return None if moment is None else min(max((moment - datetime.now(UTC)).total_seconds(), 0.0), _LONGEST_PAUSE)


def date_of(head: Head) -> datetime | None:
    """When the provider says it answered."""
    return _moment(head.fields.get("date", ""))


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def json_of(body: bytes) -> FhirJson:
    """The JSON object of a body."""
    try:
        content = parse(body)
    except InvalidContent:
        raise ProviderTrouble("bad_content") from None
    if not isinstance(content, dict):
        raise ProviderTrouble("bad_content")
    return content


def entries_of(bundle: FhirJson) -> list[FhirJson]:
    """The resources of a page but for what is said about the search."""
    entries = bundle.get("entry", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ProviderTrouble("bad_content")
    found = [entry["resource"] for entry in entries if "resource" in entry]
    if not all(isinstance(resource, dict) for resource in found):
        raise ProviderTrouble("bad_content")
    return [resource for resource in found if resource.get("resourceType") != "OperationOutcome"]


def inside(binary: FhirJson) -> bytes:
    """The bytes a Binary holds."""
    try:
        return base64.b64decode(binary["data"], validate=True)
    except (KeyError, TypeError, ValueError):
        raise ProviderTrouble("bad_content") from None


def able_of(statement: FhirJson) -> Able:
    """Leniently: whatever is not said as the specification has it, a provider is not able to."""
    types: set[str] = set()
    dated: set[str] = set()
    takes_tasks = False
    for rest in _dicts(statement.get("rest")):
        everywhere = {each.get("name") for each in _dicts(rest.get("searchParam"))}
        for each in _dicts(rest.get("resource")):
            does = {interaction.get("code") for interaction in _dicts(each.get("interaction"))}
            if not isinstance(name := each.get("type"), str):
                continue
            if "search-type" in does:
                types.add(name)
            if "_lastUpdated" in everywhere | {known.get("name") for known in _dicts(each.get("searchParam"))}:
                dated.add(name)
            takes_tasks = takes_tasks or (name == "Task" and "create" in does)
    version = statement.get("fhirVersion")
    return Able(version if isinstance(version, str) else "", frozenset(types), frozenset(dated), takes_tasks)


def _dicts(value: Any) -> list[FhirJson]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
