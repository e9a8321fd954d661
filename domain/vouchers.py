"""Things that are good once and for a short time: authorization codes, login pages under way, assertions seen;
and links to documents and uploads under way, which are read and changed until they are taken.

A voucher is found by a secret name that is not stored. Taking it is atomic: of two who try, one has it, and the other learns
that it is gone, which tells a theft (RFC 6749 section 4.1.2: what a code gave is revoked when it comes again).
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple, Protocol, TypeAlias

Kind: TypeAlias = Literal["authorization", "code", "assertion", "link", "upload"]


class Voucher(NamedTuple):
    """What was put; `turn` counts its changes."""

    content: bytes
    turn: int

    def __repr__(self) -> str:
        return f"Voucher({self.turn})"


class Taken(NamedTuple):
    """A voucher that was taken: `first` by this very call, else `session` is what the first one got for it, if anything."""

    content: bytes
    first: bool
    session: str | None

    def __repr__(self) -> str:
        return f"Taken({self.first})"


class Vouchers(Protocol):
    """Implemented by `storage.mongo.vouchers`."""

    async def put(self, kind: Kind, name: str, content: bytes, *, expires: datetime) -> bool:
        """Store a voucher; false when there is one of that kind and name already, taken or not."""
        ...

    async def read(self, kind: Kind, name: str) -> Voucher | None:
        """A voucher that is good and not taken."""
        ...

    async def change(self, kind: Kind, name: str, voucher: Voucher) -> bool:
        """Replace the content of a voucher that was read; false when somebody else has changed or taken it since."""
        ...

    async def take(self, kind: Kind, name: str) -> Taken | None:
        """Take a voucher; `None` when there is none, or not any more."""
        ...

    async def bind(self, kind: Kind, name: str, session: str) -> bool:
        """Remember what the first taker got; false when a second one has come in between."""
        ...
