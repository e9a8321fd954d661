"""What synchronising with providers needs of storage, over one database."""

from __future__ import annotations

from typing import NamedTuple

from storage.crypto.keys import Keyring
from storage.mongo.client import Database
from storage.mongo.provider_connections import MongoConnections
from storage.mongo.sync_items import MongoItems
from storage.mongo.sync_log import MongoLogBook
from storage.mongo.sync_runs import MongoRuns


class ProviderRows(NamedTuple):
    """The private rows beside the resources."""

    connections: MongoConnections
    runs: MongoRuns
    items: MongoItems
    log: MongoLogBook


def provider_rows(database: Database, keyring: Keyring) -> ProviderRows:
    """All of them."""
    return ProviderRows(
        MongoConnections(database, keyring),
        MongoRuns(database, keyring),
        MongoItems(database, keyring),
        MongoLogBook(database, keyring),
    )
