"""One request to an OAuth endpoint: what it brings, and what the audit will say of it."""

from __future__ import annotations

from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl

from api.oauth.errors import OAuthError

FORM_BYTES = 64 * 1024
_MOST_FIELDS = 60
_FORM = "application/x-www-form-urlencoded"


class Visit:
    """`segments` are the parts of the path below `/oauth`. Handlers set `subject`, `client`, `interaction` and the rest once
    they know them: the audit entry is made of these, never of what somebody merely claims."""

    def __init__(
        self,
        *,
        method: str,
        segments: tuple[str, ...],
        query: str,
        headers: dict[bytes, bytes],
        network: str | None,
        request_id: str,
    ) -> None:
        self.method = method
        self.segments = segments
        self.headers = headers
        self.network = network
        self.request_id = request_id
        self._query = query
        self._body = b""
        self.subject = "anonymous"
        self.client = ""
        self.interaction: str | None = None
        self.outcome: int | None = None
        """The status that tells what happened, where the answer is a redirect whatever happened."""
        self.patients: tuple[str, ...] = ()
        self.targets: tuple[str, ...] = ()
        self.limits: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Visit({self.method}, {self.request_id})"

    def header(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return value.decode("latin-1") if value is not None else None

    @property
    def body(self) -> bytes:
        return self._body

    def receive_body(self, body: bytes) -> None:
        self._body = body

    @cached_property
    def query(self) -> dict[str, str]:
        """The parameters of the address. Raises `OAuthError`."""
        return fields_in(self._query)

    @cached_property
    def form(self) -> dict[str, str]:
        """The parameters of a form body. Raises `OAuthError`."""
        media = (self.header(b"content-type") or "").partition(";")[0].strip().lower()
        if media != _FORM:
            raise OAuthError("invalid_request", f"A body of type {_FORM} is expected")
        try:
            return fields_in(self._body.decode("utf-8"))
        except UnicodeDecodeError:
            raise OAuthError("invalid_request", "The body is not UTF-8") from None

    @cached_property
    def cookies(self) -> dict[str, str]:
        try:
            return {name: morsel.value for name, morsel in SimpleCookie(self.header(b"cookie") or "").items()}
        except CookieError:
            return {}


def fields_in(text: str) -> dict[str, str]:
    """Form fields by name. A field that comes twice is refused, an empty one is none (RFC 6749 sections 3.1 and 3.2)."""
    if len(text) > FORM_BYTES:
        raise OAuthError("invalid_request", "The parameters are too long")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise OAuthError("invalid_request", "The parameters cannot be read") from None
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise OAuthError("invalid_request", "A parameter comes twice")
    if any("\0" in value for _, value in pairs):
        raise OAuthError("invalid_request", "A parameter contains a NUL character")
    return {name: value for name, value in pairs if value}
