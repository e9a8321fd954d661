"""Notices: what somebody is to be told, written in the transaction of its cause and delivered later.

A notice that is stored will be shown to its recipients once and mailed at least once; a cause that was not stored tells
nobody. How it reads is decided by its `kind` when it is delivered.
"""

from __future__ import annotations

from datetime import datetime

import msgspec


class While(msgspec.Struct, frozen=True):
    """What must still be so when a notice is due: `resource` (`Appointment/9`) is at this version."""

    resource: str
    version: int


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something to tell. `id` is the same whenever the same cause is written again.

    `recipients` are who they are in the records (`Patient/1`, `Practitioner/2`, `User/3`), `about` the resources it is
    about, `values` what its text says besides: protected, sealed with the key of `patient`. Told from `due` on.
    """

    id: str
    kind: str
    recipients: tuple[str, ...]
    due: datetime
    patient: str | None = None
    about: tuple[str, ...] = ()
    values: dict[str, str] = {}
    while_: While | None = None

    def __repr__(self) -> str:
        return f"Notice({self.kind})"
