"""Logging people in: from a proven identity to tokens, from tokens to the next ones, and out again.

Every way to log in ends here (the clinic's own login, apps through OAuth), so that sessions, their lifetimes and their end
are the same for all. Whoever calls has proven who it is, and records the request.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from api.settings import Settings
from api.tokens import AccessTokens
from domain.accounts.ports import Accounts
from domain.errors import Unauthenticated
from domain.sessions import Grant, Lifetime, Login, Session, Sessions


class Tokens(NamedTuple):
    """What somebody who logged in gets. `expires_in` is of the access token, in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    session: Session

    def __repr__(self) -> str:
        return f"Tokens({self.session.id})"


class Logins:
    """Opens, renews and ends sessions; `sessions` lists them."""

    def __init__(self, sessions: Sessions, accounts: Accounts, tokens: AccessTokens, settings: Settings) -> None:
        self.sessions = sessions
        self._accounts = accounts
        self._tokens = tokens
        self._access_seconds = settings.access_token_seconds
        self._attended = Lifetime(
            timedelta(hours=settings.session_hours), timedelta(minutes=settings.session_idle_minutes)
        )
        self._offline = Lifetime(timedelta(days=settings.offline_days), timedelta(days=settings.offline_idle_days))

    async def open_login(
        self,
        account: str,
        *,
        client: str,
        scope: str,
        authenticated_at: float,
        second_factor_at: float | None = None,
        patient: str | None = None,
        label: str = "",
        offline: bool = False,
    ) -> Tokens:
        """A new session of an account whose owner has just proven who they are, and its first tokens.

        `offline` sessions outlive the login of the browser they came from (SMART `offline_access`).
        """
        login = Login(
            account=account,
            client=client,
            scope=scope,
            authenticated_at=authenticated_at,
            second_factor_at=second_factor_at,
            patient=patient,
            label=label,
        )
        return self._tokens_of(await self.sessions.open(login, self._offline if offline else self._attended))

    async def refresh(
        self, refresh_token: str, *, client: str, retry: str | None = None, scope: str | None = None
    ) -> Tokens:
        """The next tokens of a session, with `scope` when that is narrower than what was granted.

        Raises `RefreshReused` and `Unauthenticated` as `Sessions.refresh` does, and `Unauthenticated` once the account is
        not active, which also ends the session.
        """
        grant = await self.sessions.refresh(refresh_token, client=client, retry=retry)
        account = grant.session.login.account
        standing = (await self._accounts.standings([account])).get(account)
        if standing is None or not standing.active:
            await self.sessions.end(grant.session.id)
            raise Unauthenticated("The refresh token is not valid")
        return self._tokens_of(grant, scope)

    async def end(self, session_id: str, *, account: str | None = None) -> bool:
        """Log out: its tokens are refused from now on, by every process. Whether there was a session to end."""
        return await self.sessions.end(session_id, account=account)

    def _tokens_of(self, grant: Grant, scope: str | None = None) -> Tokens:
        session = grant.session
        left = (session.expires - session.last_used).total_seconds()
        seconds = int(min(self._access_seconds, left))
        access_token = self._tokens.make(
            subject=session.login.account,
            client=session.login.client,
            scopes=session.login.scope if scope is None else scope,
            lifetime_seconds=seconds,
            session=session.id,
        )
        return Tokens(access_token, grant.refresh_token, seconds, session)
