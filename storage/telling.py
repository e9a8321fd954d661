"""What telling people needs of storage, put together: `domain.clinic.telling.Telling`, and what carries parcels away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from domain.clinic.telling import Telling
from domain.outbox import Carry, Channel, Ways
from storage.crypto.keys import Keyring
from storage.mail import MailCarrier, by_smtp, into_folder
from storage.mongo.client import Database
from storage.mongo.notice_preferences import MongoLikes
from storage.mongo.notices import MongoNotices
from storage.mongo.outbox import MongoOutbox
from storage.mongo.webhooks import MongoWebhooks
from storage.sms import FolderSms


def telling(
    database: Database, keyring: Keyring, clock: Callable[[], datetime], noticed: asyncio.Event, ways: Ways
) -> Telling:
    """The ports over one database; `noticed` is set when a write of this process has stored notices."""
    return Telling(
        notices=MongoNotices(database, keyring, clock, noticed),
        outbox=MongoOutbox(database, keyring, clock),
        likes=MongoLikes(database, keyring),
        webhooks=MongoWebhooks(database, keyring),
        details=ways.details,
        texting=ways.sms_folder is not None,
        contacts=ways.contacts,
    )


def carriers(ways: Ways) -> dict[Channel, Carry]:
    """What carries letters and text messages."""
    deliver = by_smtp(ways.smtp_url) if ways.smtp_url else into_folder(ways.mail_folder)
    found: dict[Channel, Carry] = {"mail": MailCarrier(deliver, ways.sender)}
    if ways.sms_folder is not None:
        found["sms"] = FolderSms(ways.sms_folder)
    return found
