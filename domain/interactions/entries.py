"""One entry of a transaction: its request, read and checked before anything is done.

https://hl7.org/fhir/R4/bundle.html#transaction, https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from domain.audit import READ_ONLY
from domain.errors import DomainError, InvalidRequest, Issue, NotSupported
from domain.identity import ResourceKey, parse_etags, parse_id

EntryMethod = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
METHODS: tuple[str, ...] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class Entry(msgspec.Struct, frozen=True):
    """A Bundle entry as received. `resource` is the raw JSON of its resource, `media_type` that of a patch."""

    method: str
    url: str
    full_url: str | None = None
    resource: bytes | None = None
    if_none_exist: str | None = None
    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None

    def __repr__(self) -> str:
        return f"Entry({self.method})"


class Target(msgspec.Struct, frozen=True):
    """What an entry's url names: a type, with an id or with a condition."""

    type: str
    id: str | None = None
    pairs: tuple[tuple[str, str], ...] | None = None

    @property
    def key(self) -> ResourceKey | None:
        return ResourceKey(self.type, self.id) if self.id is not None else None


def relative_url(url: str, base: str) -> str:
    """`url` relative to the service base; an absolute url of this server is accepted, another server's is refused."""
    if url.startswith(base):
        return url[len(base) :].lstrip("/")
    if "://" in url.partition("?")[0]:
        raise InvalidRequest("The request url belongs to another server", code="value")
    return url.lstrip("/")


def write_target(entry: Entry, base: str) -> Target:
    """The type, id or condition an entry that writes is about. Raises `InvalidRequest` for a url that fits no write."""
    split = urlsplit(relative_url(entry.url, base))
    path = [unquote(segment) for segment in split.path.split("/") if segment]
    pairs = tuple(parse_qsl(split.query, keep_blank_values=True, max_num_fields=100))
    if path[:1] == [READ_ONLY]:
        raise NotSupported(f"Every {READ_ONLY} is written by this server itself")
    if entry.method == "POST" and len(path) == 1 and not pairs:
        return Target(path[0])
    if entry.method != "POST" and len(path) == 2 and not pairs:
        return Target(path[0], parse_id(path[1]))
    if entry.method != "POST" and len(path) == 1 and pairs:
        return Target(path[0], None, pairs)
    raise InvalidRequest(f"A {entry.method} entry cannot have this url", code="value")


def accepted_versions(entry: Entry) -> frozenset[str] | None:
    """The versions its ifMatch accepts; `None` without one."""
    return parse_etags(entry.if_match) if entry.if_match is not None else None


@contextmanager
def at_entry(index: int) -> Iterator[None]:
    """Failures raised inside point at `Bundle.entry[index]`."""
    place = f"Bundle.entry[{index}]"
    try:
        yield
    except DomainError as error:
        raise type(error)(error.message, issues=[_placed(issue, place) for issue in error.issues]) from error


def _placed(issue: Issue, place: str) -> Issue:
    if issue.expression is None:
        return msgspec.structs.replace(issue, expression=place)
    if issue.expression.startswith("Bundle.entry["):
        return issue
    _, _, rest = issue.expression.partition(".")
    return msgspec.structs.replace(issue, expression=f"{place}.resource" + (f".{rest}" if rest else ""))
