"""The names of things: resource keys, versions, references, weak ETags.

https://hl7.org/fhir/R4/datatypes.html#id, https://hl7.org/fhir/R4/references.html#literal, https://hl7.org/fhir/R4/http.html#versioning

Versions are whole numbers that count 1, 2, 3 … per resource, printed in decimal. A string is only turned into one of
these values here, so that nothing else in the product ever splits a path.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, TypeAlias

from domain.errors import InvalidRequest

FhirJson: TypeAlias = dict[str, Any]
"""A decoded FHIR resource or element. Decimals are `decimal.Decimal`, so that `1.00` keeps its text."""

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_LITERAL = re.compile(
    r"(?:(?P<base>https?://[^\s?#]+)/)?(?P<type>[A-Z][A-Za-z]{1,63})/(?P<id>[A-Za-z0-9\-.]{1,64})"
    r"(?:/_history/(?P<version>[A-Za-z0-9\-.]{1,64}))?"
)
_ETAG = re.compile(r'(?:W/)?"(?P<tag>[^"]*)"|(?P<bare>[A-Za-z0-9\-.]{1,64})')


class ResourceKey(NamedTuple):
    """Type and id of one resource. `str()` is the form used in references and as the stored `_id`: `Patient/123`."""

    type: str
    id: str

    def __str__(self) -> str:
        return f"{self.type}/{self.id}"

    def at(self, version: int) -> str:
        """The stored name of one version: `Patient/123/4`."""
        return f"{self.type}/{self.id}/{version}"


class Reference(NamedTuple):
    """A literal reference: `Patient/1`, `Patient/1/_history/2` or the same under an absolute base."""

    key: ResourceKey
    version: str | None = None
    base: str | None = None


def parse_id(text: str, *, what: str = "id") -> str:
    """Return `text` when it is a FHIR id, else raise `InvalidRequest`."""
    if ID.fullmatch(text) is None:
        raise InvalidRequest(f"The {what} is not a FHIR id (1 to 64 of A-Z a-z 0-9 - .)", code="value")
    return text


def parse_reference(text: str) -> Reference | None:
    """Read a literal reference; `None` for fragments, URNs, conditional references and anything else."""
    found = _LITERAL.fullmatch(text)
    if found is None:
        return None
    return Reference(ResourceKey(found["type"], found["id"]), found["version"], found["base"])


def parse_version(text: str) -> int | None:
    """Read a version id in canonical form (`1`, `27`); `None` when no version of ours can have this name."""
    if text.isascii() and text.isdecimal() and not text.startswith("0") and len(text) <= 9:
        return int(text)
    return None


def etag(version: int) -> str:
    """The weak ETag of a version: `W/"3"`."""
    return f'W/"{version}"'


def parse_etags(header: str) -> frozenset[str]:
    """The version ids named by an If-Match or If-None-Match header; `*` stays `*`, bare ids are tolerated.

    Raises `InvalidRequest` for anything that is not a list of entity tags.
    """
    tags: set[str] = set()
    for part in header.split(","):
        found = _ETAG.fullmatch(part.strip())
        if part.strip() == "*":
            tags.add("*")
        elif found is None:
            raise InvalidRequest('If-Match and If-None-Match take entity tags such as W/"3"', code="value")
        else:
            tags.add(found["tag"] if found["tag"] is not None else found["bare"])
    return frozenset(tags)
