"""One endpoint of `/api/v1` as data: a row of the table that routing, decoding, auditing and OpenAPI are made from.

To add one, write a handler and put a row into its module's `ENDPOINTS` (and a new module into `table.py`):

    async def rename(service: Service, visit: Visit, body: NewName) -> Outcome: ...
    ENDPOINTS = (Endpoint("PUT", "/users/{id}/name", "user-update", rename, answers=UserView),)

The annotation of `body` says how the body is decoded, that of `query` how the query string is; both are `Form`s, checked
before the handler runs. A handler raises errors of `domain/errors.py`, names what it was about with `visit.concerns`, and
returns an `Outcome`. Whoever asks is authenticated before, and the audit entry is durable before the answer leaves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, get_type_hints

import msgspec

from api.asgi import Receive
from domain.access import Caller
from domain.errors import PreconditionRequired, VersionConflict
from domain.identity import etag, parse_etags, parse_version

if TYPE_CHECKING:
    from api.v1.service import Service

BODY_BYTES = 64 * 1024


class Form(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What a client sends: camelCase, and nothing that was not asked for. Subclasses: `frozen=True, kw_only=True`."""


class View(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a client is shown."""


class Visit:
    """One request under way. `caller` may become somebody else where a login succeeds: the audit names who it is then.
    `again` authenticates once more, for an answer that takes long: it raises `Unauthenticated` when the login is over."""

    def __init__(
        self,
        *,
        caller: Caller,
        request_id: str,
        params: Mapping[str, str],
        headers: Mapping[bytes, bytes],
        receive: Receive,
    ) -> None:
        self.caller = caller
        self.request_id = request_id
        self.params = params
        self.headers = headers
        self.receive = receive
        self.raw = b""
        self.targets: list[str] = []
        self.patients: list[str] = []
        self.limits: dict[str, str] = {}
        self.again: Callable[[], Awaitable[Caller]] = self._as_before

    async def _as_before(self) -> Caller:
        return self.caller

    def __repr__(self) -> str:
        return f"Visit({self.request_id})"

    def concerns(self, *targets: str, patients: tuple[str, ...] = ()) -> None:
        """Name in the audit what this request is about, however it ends: `User/3f…`, `Patient/7`."""
        self.targets += targets
        self.patients += patients

    def header(self, name: bytes) -> str | None:
        """A header's value; names are lower-case."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def require_match(self, version: int, *, required: bool = False) -> None:
        """Raise `VersionConflict` when If-Match names another version than the newest, `version`; and, where it is
        `required`, `PreconditionRequired` without one."""
        text = self.header(b"if-match")
        if text is None:
            if required:
                raise PreconditionRequired("If-Match with the version you have read is required")
            return
        wanted = parse_etags(text)
        if "*" not in wanted and version not in {parse_version(tag) for tag in wanted}:
            raise VersionConflict("Somebody changed this since you have read it")


class Outcome(msgspec.Struct):
    """The answer to a request: a `View` (or bytes, or a stream of bytes with its length in `headers`), or nothing.

    `version` becomes the ETag. `recorded` says that the audit entry is stored already, as part of a write.
    """

    body: msgspec.Struct | bytes | AsyncIterator[bytes] | None = None
    status: int = 200
    headers: dict[str, str] = {}
    version: int | None = None
    recorded: bool = False

    def __repr__(self) -> str:
        return f"Outcome({self.status})"

    @property
    def all_headers(self) -> dict[str, str]:
        """The headers of the answer, but for its length."""
        headers = dict(self.headers)
        if isinstance(self.body, msgspec.Struct):
            headers.setdefault("content-type", "application/json")
        if self.version is not None:
            headers.setdefault("etag", etag(self.version))
        return headers


NOTHING = Outcome(status=204)

Handler: TypeAlias = Callable[..., Awaitable[Outcome]]
"""`(service, visit)`, and if it names them `body` and `query`."""


class _Row(NamedTuple):
    method: str
    path: str
    interaction: str
    handler: Handler
    answers: Any = None
    status: int = 200
    public: bool = False
    optional: bool = False
    streams: bool = False
    limit: int = BODY_BYTES
    replays: bool = False
    refuses: tuple[int, ...] = ()
    takes: str | None = None
    also: tuple[int, ...] = ()
    blank: bool = False


class Endpoint(_Row):
    """`method` and `path` below `/api/v1` (`{name}` is a segment); `interaction` is its name in the audit; `answers` the
    `View` it shows with `status`. `public` needs no token, and looks at one that is there only if it is `optional`.
    `streams` leaves reading the body to the handler (`visit.receive`). `replays` answers a repeated Idempotency-Key with
    the first result. `refuses` are statuses it answers besides those that follow from all this, `takes` is the media type of
    a body that is streamed, `also` other statuses of success with the same view: all for the documentation. `blank` takes no
    body at all for an empty form."""

    @cached_property
    def _hints(self) -> dict[str, Any]:
        from api.v1.service import Service

        return get_type_hints(self.handler, localns={"Service": Service})

    @property
    def body(self) -> type[Form] | None:
        found: type[Form] | None = self._hints.get("body")
        return found

    @property
    def query(self) -> type[Form] | None:
        found: type[Form] | None = self._hints.get("query")
        return found

    async def __call__(self, service: Service, visit: Visit, given: Mapping[str, Any]) -> Outcome:
        """Run the handler; `given` holds the decoded `body` and `query`."""
        return await self.handler(service, visit, **given)
