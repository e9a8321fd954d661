"""What the use cases around accounts need from the outside; each docstring is the contract."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol, TypeAlias

import msgspec

from domain.access import Role
from domain.accounts.account import Account, Credentials, Passkey, Standing, Status


class AccountQuery(msgspec.Struct, frozen=True):
    """Which accounts a list shows. `text` finds beginnings of names, and whole addresses."""

    role: Role | None = None
    status: Status | None = None
    text: str | None = None
    organizations: tuple[str, ...] | None = None
    profile: str | None = None

    def __repr__(self) -> str:
        return f"AccountQuery({self.role}, {self.status})"


class Accounts(Protocol):
    """Accounts and their credentials. Implemented by `storage.mongo.accounts`."""

    async def find(self, account_id: str) -> Account | None: ...

    async def find_many(self, account_ids: Sequence[str]) -> list[Account | None]:
        """`find` of each id, in order, in one round trip."""
        ...

    async def standings(self, account_ids: Sequence[str]) -> dict[str, Standing]:
        """What requests of these accounts depend on, in one round trip; nothing is opened. Unknown ids are absent."""
        ...

    async def by_email(self, email: str) -> Account | None:
        """The account of an address, however it is written."""
        ...

    async def add(self, account: Account, credentials: Credentials) -> None:
        """Store a new account. Raises `Conflict` (`email_taken`) when the address has one."""
        ...

    async def replace(self, account: Account, *, keep: Role | None = None) -> None:
        """Store `account` in place of its version before. Raises `VersionConflict` when that is not the stored one,
        `Conflict` when the address belongs to another account, or when nobody active would hold the role `keep` any
        more."""
        ...

    async def remove(self, account_id: str) -> None:
        """Remove an account, its credentials, how it likes to be told and what is on its way to it: nothing tells who it was
        of."""
        ...

    async def page(self, query: AccountQuery, *, after: str, count: int) -> list[Account]:
        """Up to `count` accounts in the order of their ids, from the first id greater than `after`."""
        ...

    async def credentials(self, account_id: str) -> Credentials | None: ...

    async def replace_credentials(self, credentials: Credentials) -> None:
        """Store these in place of those with the serial before. Raises `VersionConflict` when somebody was faster."""
        ...


class Verdict(NamedTuple):
    """Whether a password is right, and its hash by today's rules when the stored one is older."""

    right: bool
    renewed: str | None = None


class Passwords(Protocol):
    """Slow hashes, a few at a time. Implemented by `storage.crypto.passwords`."""

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Wait until it is one's turn to log in, and hold it: only a few do so at once, whatever the crowd.

        Raises `Throttled` when too many wait already.
        """
        ...

    async def hash(self, password: str) -> str: ...

    async def check(self, password: str, hashed: str | None) -> Verdict:
        """Compare; without a hash the same work is done and nothing is right."""
        ...


class Codes(Protocol):
    """Time-based one-time codes (RFC 6238). Implemented by `storage.crypto.one_time_codes`."""

    def new_secret(self) -> str: ...

    def uri(self, secret: str, name: str) -> str:
        """What an authenticator app reads from a QR code."""
        ...

    def step_of(self, secret: str, code: str, now: datetime) -> int | None:
        """The time step the code is good for, the current one or a neighbour; `None` for a wrong code."""
        ...


class Ceremony(NamedTuple):
    """The start of a WebAuthn ceremony: what the browser is given, and the challenge it must sign."""

    options: str
    challenge: bytes


class Passkeys(Protocol):
    """WebAuthn level 3 (https://www.w3.org/TR/webauthn-3/). Implemented by `storage.crypto.passkeys`.

    What a browser answered is checked for challenge, origin, site, signature and user verification; whatever is wrong is
    `Unauthenticated`.
    """

    def registration(self, account: Account, existing: Sequence[Passkey]) -> Ceremony: ...

    def registered(self, answer: bytes, challenge: bytes, *, label: str, now: datetime) -> Passkey: ...

    def assertion(self, allowed: Sequence[Passkey]) -> Ceremony: ...

    def credential_id(self, answer: bytes) -> bytes:
        """Which passkey the answer claims to be of."""
        ...

    def asserted(self, answer: bytes, challenge: bytes, passkey: Passkey) -> Passkey:
        """The passkey as it stands after this use. A count that did not grow betrays a copy and is refused."""
        ...


TicketKind: TypeAlias = Literal[
    "verify-email", "change-email", "reset-password", "invitation", "second-factor", "enrolment", "passkey"
]


class Ticket(msgspec.Struct, frozen=True):
    """What a token stands for: an account (none when it was issued for show), and what has to be remembered."""

    account: str | None
    data: bytes = b""

    def __repr__(self) -> str:
        return "Ticket(…)"


class Tickets(Protocol):
    """Random tokens that are good once, for a while; stored as hashes. Implemented by `storage.mongo.tickets`."""

    async def issue(self, kind: TicketKind, ticket: Ticket, lifetime: timedelta) -> str: ...

    async def look(self, kind: TicketKind, token: str) -> Ticket | None:
        """What the token stands for; it stays good."""
        ...

    async def latest(self, kind: TicketKind, account: str) -> Ticket | None:
        """What the newest token of an account that is still good stands for."""
        ...

    async def redeem(self, kind: TicketKind, token: str) -> Ticket | None:
        """What the token stood for; of several who redeem it at once, one gets it."""
        ...

    async def revoke(self, account: str) -> None:
        """End all tickets of an account."""
        ...


class Limit(NamedTuple):
    """How many attempts are free, and how many there may be at all before only time or proof of the mailbox helps."""

    name: str
    free: int
    most: int


class Attempts(Protocol):
    """Failed attempts in a row, shared by all processes. Implemented by `storage.mongo.attempts`."""

    async def begin(self, limits: Sequence[Limit]) -> float:
        """Count an attempt against each limit, as failed until `succeeded`; seconds to wait when one forbids it, else 0.

        A refused attempt is not counted. The wait doubles with each attempt beyond the free ones, up to a quarter of an
        hour, and is a day beyond `most`.
        """
        ...

    async def succeeded(self, names: Sequence[str]) -> None:
        """Forget the failures under these names."""
        ...


class Letter(msgspec.Struct, frozen=True):
    """A mail. The subject is seen by every server on the way: it never says more than that there is something."""

    to: str
    subject: str
    text: str

    def __repr__(self) -> str:
        return "Letter(…)"


class Mail(Protocol):
    """Sends letters. Implemented by `storage.mail`."""

    async def post(self, letter: Letter | None, *, cause: str | None = None) -> None:
        """Send soon, and try again for a day; kept durably when it returns, whatever becomes of this process.

        `None` takes the same time and sends nothing, so that time does not tell whether there was anybody to write to.
        Of two letters with the same `cause` one is sent.
        """
        ...
