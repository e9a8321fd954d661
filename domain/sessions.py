"""Logins of people: a session, the refresh tokens that keep it alive, and what its tokens say at every request.

One session is one family of refresh tokens: each is good for one use and gives the next (RFC 9700 section 4.14.2,
https://www.rfc-editor.org/rfc/rfc9700). A token that comes a second time was stolen, or its successor was: the family ends.
Access tokens name their session, which is looked up at every request: a session that has ended ends them all at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

import msgspec

from domain.accounts.account import Standing
from domain.errors import Unauthenticated
from domain.grounds import Grounds


class RefreshReused(Unauthenticated):
    """A refresh token came a second time, or from another client: its family has just been ended."""

    def __init__(self, message: str, *, session: str, account: str) -> None:
        super().__init__(message, reason="refresh_token_reused")
        self.session = session
        self.account = account


class Lifetime(NamedTuple):
    """How long a session lasts at most, and how long it may go unused."""

    total: timedelta
    idle: timedelta


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """What a session is opened for. `scope` is what was granted, `patient` the launch context, times are seconds since
    1970, `label` is what its owner recognises it by (a browser, an app)."""

    account: str
    client: str
    scope: str
    authenticated_at: float
    second_factor_at: float | None = None
    patient: str | None = None
    label: str = ""

    def __repr__(self) -> str:
        return f"Login({self.client})"


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One login as it stands: `login` is what it was opened for, `last_used` when its tokens were last renewed."""

    id: str
    login: Login
    created: datetime
    last_used: datetime
    expires: datetime

    def __repr__(self) -> str:
        return f"Session({self.id})"


class Grant(NamedTuple):
    """A session and the one refresh token that is good for it now. Shown once, never stored."""

    session: Session
    refresh_token: str

    def __repr__(self) -> str:
        return f"Grant({self.session.id})"


class Present(NamedTuple):
    """A live session and how its account stands at this moment. The session's label is not opened."""

    session: Session
    standing: Standing


class Sessions(Protocol):
    """Implemented by `storage.mongo.sessions`."""

    async def open(self, login: Login, lifetime: Lifetime) -> Grant: ...

    async def present(self, session_id: str, account: str, grounds: Grounds | None = None) -> Present | None:
        """The session with its account's standing; `None` when it has ended, or the account is not active or another.
        Requests that ask at the same time share one round trip. `grounds` get what the answer rests on."""
        ...

    async def still(self, grounds: Grounds) -> bool:
        """Whether everything that rests on these grounds, relations too, is so at this moment. Raises `Unavailable`."""
        ...

    async def holder(self, refresh_token: str) -> Session | None:
        """The live session for which this very token is good now; changes nothing."""
        ...

    async def refresh(self, refresh_token: str, *, client: str, retry: str | None = None) -> Grant:
        """Use the token and give the next.

        `retry` is a name the client chose for this one attempt: while the next token is unused and the attempt is young,
        the same token with the same name gets the same answer again. Raises `RefreshReused` for a token of a live session
        that was used before or belongs to another client, after ending the session; `Unauthenticated` for any other that
        is not good.
        """
        ...

    async def end(self, session_id: str, *, account: str | None = None) -> bool:
        """End a session (of this account, when given). Whether there was one to end."""
        ...

    async def end_all(self, account: str, *, keep: str | None = None) -> int:
        """End every session of an account, but for `keep`. How many."""
        ...

    async def of(self, account: str, *, after: str = "", count: int = 50) -> Sequence[Session]:
        """Up to `count` live sessions of an account in the order of their ids, from the first id greater than `after`."""
        ...
