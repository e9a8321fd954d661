"""What watches over access, over one database: emergency access, the reading of the audit, limits on requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from domain.throttling import Throttle
from storage.crypto.keys import Keyring
from storage.mongo.audit_reading import MongoAuditReading
from storage.mongo.break_glass import MongoGrantBook
from storage.mongo.client import Database
from storage.mongo.throttling import MongoCounters


class Oversight(NamedTuple):
    """Of one process; `throttle` is closed before the client. `officers` are told of emergency access."""

    grants: MongoGrantBook
    audit: MongoAuditReading
    throttle: Throttle
    officers: tuple[str, ...]


def oversight(
    database: Database, keyring: Keyring, clock: Callable[[], datetime], officers: str | None = None
) -> Oversight:
    """All of it over `database`; `officers` are mail addresses separated by commas."""
    return Oversight(
        MongoGrantBook(database, keyring, clock),
        MongoAuditReading(database, keyring),
        Throttle(MongoCounters(database, keyring.service, clock), time.monotonic),
        tuple(part.strip() for part in (officers or "").split(",") if part.strip()),
    )
