"""Parcels: what leaves the product for somebody's mailbox, telephone or server, kept until it has arrived or been given up.

A parcel is durable before whoever posted it is answered, its id is the same whenever the same cause posts it again, and
each is tried by itself: one that cannot be delivered holds up no other. A process that dies with a parcel in its hands
leaves it to the next, so a parcel may be delivered twice and is never forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

import msgspec

Channel: TypeAlias = Literal["mail", "sms", "webhook", "provider"]
State: TypeAlias = Literal["WAITING", "SENT", "FAILED"]

PAUSES = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=12),
)
"""Between one try and the next; after the last a parcel is given up."""
HELD = timedelta(seconds=30)
"""How long a parcel belongs to who took it: longer than any delivery may take."""


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to deliver: to the account or webhook `to` (nobody we know without one), about `patient`, whose key then
    seals it. `content` is for the carrier of the channel, `kind` says what it is (`appointment-confirmed`, `letter`)."""

    id: str
    channel: Channel
    kind: str
    content: bytes
    to: str | None = None
    patient: str | None = None

    def __repr__(self) -> str:
        return f"Parcel({self.channel}, {self.id})"


class Taken(NamedTuple):
    """A parcel in somebody's hands, for the `tries`th time. `content` is empty when its patient was erased. `fence` tells
    this taking from those before."""

    parcel: Parcel
    tries: int
    fence: int


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a parcel. `said` is the last answer in a word or two (`200`, `no connection`), never content."""

    id: str
    kind: str
    state: State
    tries: int
    created: datetime
    next: datetime | None
    said: str | None


class Ways(NamedTuple):
    """How letters and text messages leave: the mail server, or a folder instead, and the sender of letters; a folder for text
    messages, `None` for none. `details` lets both say what happened; `contacts` are told of inquiries."""

    smtp_url: str | None
    mail_folder: Path
    sender: str
    sms_folder: Path | None
    details: bool
    contacts: tuple[str, ...]

    def __repr__(self) -> str:
        return "Ways(…)"


class Undeliverable(Exception):
    """A carrier could not deliver. `said` is a word or two of ours; `final` when no further try can help."""

    def __init__(self, said: str, *, final: bool = False) -> None:
        super().__init__(said)
        self.said = said
        self.final = final


class Carry(Protocol):
    """Delivers a parcel of one channel. Implemented by `storage.mail`, `storage.sms`, `api.webhook_sending` and
    `domain.clinic.provider_pushing`."""

    async def __call__(self, parcel: Parcel) -> str:
        """What the other side said. Raises `Undeliverable`."""
        ...


@runtime_checkable
class GivesUp(Protocol):
    """A carrier that somebody hears of when a parcel is given up."""

    async def given_up(self, parcel: Parcel, said: str) -> None:
        """No further try will be made. May be repeated."""
        ...


class Outbox(Protocol):
    """Implemented by `storage.mongo.outbox`."""

    async def put(self, parcels: Sequence[Parcel]) -> None:
        """Durable when it returns. A parcel whose id is known already changes nothing."""
        ...

    async def take(self, channel: Channel) -> Taken | None:
        """The parcel of the channel that has waited longest, for `HELD`; `None` when none is due."""
        ...

    async def arrived(self, channel: Channel, seconds: float) -> None:
        """Wait until this process has put something for the channel, `seconds` at most."""
        ...

    async def sent(self, taken: Taken, said: str) -> None:
        """It has arrived. Nothing happens when somebody else has taken it meanwhile."""
        ...

    async def failed(self, taken: Taken, said: str, *, again: timedelta | None) -> None:
        """It has not arrived: try again after a pause, or give up."""
        ...

    async def deliveries(self, to: str, *, after: str | None, count: int) -> Sequence[Delivery]:
        """What was sent to a webhook, newest first, up to `count` from the one after `after` on. Kept 30 days."""
        ...

    async def retry(self, to: str, parcel: str) -> bool:
        """Try once more now, with all its pauses, what was given up. False when there is no such parcel given up."""
        ...

    async def withdraw(self, to: str) -> None:
        """Deliver nothing more to an account or webhook that is gone."""
        ...


def pause_after(tries: int) -> timedelta | None:
    """How long to wait after that many tries; `None` to give up."""
    return PAUSES[tries - 1] if tries <= len(PAUSES) else None
