"""What the use cases around accounts need from the outside; each docstring is the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from domain.access import Role
from domain.accounts.account import Account, Credentials, Standing, Status


class AccountQuery(msgspec.Struct, frozen=True):
    """Which accounts a list shows. `text` finds beginnings of names, and whole addresses."""

    role: Role | None = None
    status: Status | None = None
    text: str | None = None
    organizations: tuple[str, ...] | None = None

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

    async def page(self, query: AccountQuery, *, after: str, count: int) -> list[Account]:
        """Up to `count` accounts in the order of their ids, from the first id greater than `after`."""
        ...

    async def credentials(self, account_id: str) -> Credentials | None: ...

    async def replace_credentials(self, credentials: Credentials) -> None:
        """Store these in place of those with the serial before. Raises `VersionConflict` when somebody was faster."""
        ...
