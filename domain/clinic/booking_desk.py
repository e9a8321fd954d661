"""What bookings are made with: the ports, and the clinic's own rules about them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

import msgspec

from domain.clinic.appointment_cards import AppointmentCard, AppointmentRecords
from domain.clinic.doctor_cards import DoctorRecords
from domain.interactions.parts import Occasion, Parts
from domain.notices import Notice
from domain.revision import Change


class Rules(NamedTuple):
    """How long a slot is held, how many open holds one account may have, and how long before the start patients are
    reminded."""

    hold: timedelta = timedelta(minutes=10)
    most_holds: int = 5
    reminder: timedelta = timedelta(hours=24)


class Room(NamedTuple):
    """A place to meet by video. `join_url` lets whoever has it in, until `expires_at`."""

    join_url: str
    expires_at: datetime


class VideoRooms(Protocol):
    """Video calls of somebody else. Implemented by `api.video`."""

    async def room(self, appointment: str, *, participant: str, until: datetime) -> Room:
        """The room of an appointment, for one participant. Raises `Unavailable` when the provider does not answer."""
        ...


class Settled(msgspec.Struct, frozen=True):
    """What is written together with a finished visit: its invoice, and whom that concerns."""

    changes: tuple[Change, ...] = ()
    notices: tuple[Notice, ...] = ()


class Settle(Protocol):
    """What else a finished visit is the cause of. Called while the write is planned, possibly several times."""

    async def __call__(self, parts: Parts, occasion: Occasion, visit: AppointmentCard) -> Settled:
        """The changes for the visit, whose Encounter has the appointment's id. Reads, decides, writes nothing itself."""
        ...


class Desk(NamedTuple):
    """Everything bookings need."""

    parts: Parts
    records: AppointmentRecords
    doctors: DoctorRecords
    rules: Rules = Rules()
    rooms: VideoRooms | None = None
    settle: Sequence[Settle] = ()
