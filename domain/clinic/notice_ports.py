"""What telling people needs from storage; each docstring is the contract."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec

from domain.notices import Notice


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A notice as it is kept. `id` is opaque; `number` is its place in the order of telling, `None` until it was told to
    everybody; `read` is whether the one who asks has read it."""

    id: str
    notice: Notice
    number: int | None = None
    read: bool = False

    def __repr__(self) -> str:
        return f"Told({self.id})"


class Place(NamedTuple):
    """Where a list goes on: after the notice `id`, due at `due`."""

    due: datetime
    id: str


class Notices(Protocol):
    """Notices, written by `RevisionStore.commit`. Implemented by `storage.mongo.notices` and `storage.memory.notices`; held to
    `tests/contracts/notices.py`.

    Lists show what is due, without what still waits for its condition to be looked at, and without what cannot be opened
    because its patient was erased.
    """

    async def page(
        self, recipients: Sequence[str], reader: str, *, unread: bool, after: Place | None, count: int
    ) -> tuple[Sequence[Told], Place | None]:
        """Up to `count` notices for any of the recipients, the one due last first, and where the list goes on."""
        ...

    async def since(self, recipients: Sequence[str], reader: str, *, number: int, count: int) -> Sequence[Told]:
        """Up to `count` notices for any of the recipients that were told after that number, in the order of telling."""
        ...

    async def newest(self) -> int:
        """The number told last; 0 before the first. A number is never told before a smaller one."""
        ...

    async def find(self, recipients: Sequence[str], reader: str, notice: str) -> Told | None:
        """A notice for any of the recipients, by its opaque id."""
        ...

    async def read(self, recipients: Sequence[str], reader: str, *, notice: str | None = None) -> int:
        """Note that `reader` has read this notice, or all there are. How many there are of those."""
        ...

    async def take(self) -> Told | None:
        """A notice that is due and was not told yet, for ten seconds; `None` when there is none."""
        ...

    async def told(self, notice: str) -> None:
        """Everything that tells of it is under way: give it the next number. May be repeated."""
        ...

    async def drop(self, notice: str) -> None:
        """What it was to be told under no longer holds: nobody is told."""
        ...

    async def arrived(self, seconds: float) -> None:
        """Wait until this process has stored a notice, `seconds` at most."""
        ...


class Choice(msgspec.Struct, frozen=True):
    """By which ways beside the list somebody is told."""

    email: bool = True
    sms: bool = False


class Likes(msgspec.Struct, frozen=True, kw_only=True):
    """How an account likes to be told: in general, and otherwise for some kinds. `phone` is E.164."""

    version: int = 0
    general: Choice = Choice()
    kinds: dict[str, Choice] = {}
    phone: str | None = None

    def __repr__(self) -> str:
        return f"Likes({self.version})"

    def of(self, kind: str) -> Choice:
        return self.kinds.get(kind, self.general)


class LikesBook(Protocol):
    """Implemented by `storage.mongo.notice_preferences`."""

    async def of(self, accounts: Sequence[str]) -> list[Likes]:
        """What each of these accounts has chosen, in order; version 0 is what nobody has chosen."""
        ...

    async def keep(self, account: str, likes: Likes) -> None:
        """Store them in place of the version before. Raises `VersionConflict` when somebody was faster."""
        ...


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A server that is told of events. `owner` is the account or program that made it, `types` are what that might read (`*`
    is all), `events` the kinds it wants, all without any."""

    id: str
    url: str
    secret: str
    owner: str
    person: bool
    created: datetime
    types: tuple[str, ...] = ()
    events: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Webhook({self.id})"


class Webhooks(Protocol):
    """Implemented by `storage.mongo.webhooks`."""

    async def add(self, webhook: Webhook, *, most: int) -> None:
        """Raises `Conflict` (`too_many_webhooks`) when the owner has that many."""
        ...

    async def find(self, webhook_id: str) -> Webhook | None: ...

    async def all(self, owner: str | None = None) -> Sequence[Webhook]:
        """Those of one owner, or of everybody, in the order of their making."""
        ...

    async def remove(self, webhook_id: str) -> bool: ...
