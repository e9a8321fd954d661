"""One request on the FHIR surface, and its reply, before and after HTTP.

An `Exchange` is made from an ASGI scope, or from an entry of a batch: both take the same route through the same handlers.
A `Reply` carries what the audit needs besides status, headers and body.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import unquote

import msgspec

from domain.access import Caller
from domain.errors import InvalidRequest, TooCostly
from domain.interactions.parts import Retryable
from domain.revision import Head

MAX_PARAMETERS = 100
MAX_QUERY = 8192
FHIR_JSON = "application/fhir+json"


class Reply(msgspec.Struct):
    """Status, headers (lower-case names) and body; the version it is about, if one; and for the audit the targets, the
    patients, whether it is already recorded, and the interaction where the route alone does not tell it. A document has no
    body but a `stream` of `length` bytes."""

    status: int
    headers: dict[str, str] = {}
    body: bytes = b""
    head: Head | None = None
    targets: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    recorded: bool = False
    interaction: str | None = None
    stream: AsyncIterator[bytes] | None = None
    length: int | None = None

    def __repr__(self) -> str:
        return f"Reply({self.status}, {len(self.body)} bytes)"


class Exchange:
    """A request: method, path segments below the base (percent-decoded one by one), query, headers, body.

    `nested` marks an entry of a Bundle.
    """

    def __init__(
        self,
        *,
        method: str,
        path: str,
        query: str,
        headers: dict[bytes, bytes],
        base_url: str,
        body: bytes = b"",
        retryable: Retryable | None = None,
        nested: bool = False,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.base_url = base_url
        self.body = body
        self.retryable = retryable
        self.nested = nested
        self.caller: Caller | None = None
        """Who asks, as soon as that is known: whoever is refused later is recorded by name."""
        self.limits: dict[str, str] = {}
        """What the client is told of its limits."""
        self.form = b""
        """The parameters of a search by POST, for the audit."""
        self._pairs: list[tuple[str, str]] | None = None
        self._last: dict[str, str] | None = None
        self.segments = tuple(
            [unquote(segment) if "%" in segment else segment for segment in path.split("/") if segment]
        )

    def header(self, name: bytes) -> str | None:
        """A header's value; names are lower-case."""
        value = self.headers.get(name)
        return value.decode("latin-1") if value is not None else None

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The query parameters in order. Raises `TooCostly` beyond the limits, `InvalidRequest` for broken escapes."""
        if self._pairs is None:
            self._pairs = pairs_in(self.query)
        return self._pairs

    def parameter(self, name: str) -> str | None:
        """The last value of a query parameter."""
        if not self.query:
            return None
        if self._last is None:
            self._last = dict(self.pairs)
        return self._last.get(name)


def pairs_in(text: str) -> list[tuple[str, str]]:
    """Parameters of a query string or a form body, in order."""
    if len(text) > MAX_QUERY:
        raise TooCostly(f"The query is longer than {MAX_QUERY} characters")
    fields = text.split("&")
    if len(fields) > MAX_PARAMETERS:
        raise TooCostly(f"More than {MAX_PARAMETERS} parameters")
    plain = "%" not in text and "+" not in text
    parts = [field.partition("=") for field in fields if field]
    pairs = [(name, value) if plain else (_decoded(name), _decoded(value)) for name, _, value in parts]
    if "\0" in text or (not plain and any("\0" in name or "\0" in value for name, value in pairs)):
        raise InvalidRequest("A parameter contains a NUL character", code="value")
    return pairs


def _decoded(text: str) -> str:
    """https://url.spec.whatwg.org/#urlencoded-parsing, but bytes that are no UTF-8 are refused."""
    try:
        return unquote(text.replace("+", " "), errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidRequest("The query is not UTF-8", code="value") from error
