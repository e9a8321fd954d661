"""What is told to a provider on its way: the request that was stored with a change, as a parcel of the outbox."""

from __future__ import annotations

import hashlib

import msgspec

from domain.clinic.provider_ports import Connection
from domain.identity import ResourceKey, parse_reference
from domain.notices import Notice
from domain.outbox import Parcel, Undeliverable
from domain.pushing import PUSH


class Push(msgspec.Struct, frozen=True):
    """What a parcel holds: the resource, its version, and the account that changed it (empty for a program)."""

    resource: str
    version: int
    by: str = ""

    def __repr__(self) -> str:
        return f"Push({self.resource})"

    @property
    def key(self) -> ResourceKey:
        found = parse_reference(self.resource)
        if found is None:
            raise Undeliverable("fault here", final=True)
        return found.key


def parcel_of(told: str, notice: Notice) -> Parcel:
    """The parcel of a request that was stored with its cause; `told` is its row, so that there is one."""
    push = Push(notice.about[0], int(notice.values["version"]), notice.values["by"])
    return parcel(f"{told}|provider", push, notice.patient)


def parcel(cause: str, push: Push, patient: str | None) -> Parcel:
    """A parcel for the provider of a patient; the same for the same cause."""
    name = hashlib.sha256(cause.encode()).hexdigest()[:32]
    return Parcel(id=name, channel="provider", kind=PUSH, content=msgspec.msgpack.encode(push), patient=patient)


def push_of(parcel: Parcel) -> Push:
    """What a parcel holds."""
    return msgspec.msgpack.decode(parcel.content, type=Push)


def person_cell(connection: Connection) -> str:
    """The name of the cell that holds which version of the Patient the provider knows."""
    return f"provider-person/{connection.id}"
