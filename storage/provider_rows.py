"""What synchronising with providers needs of storage, over one database."""

from __future__ import annotations

from typing import NamedTuple

from storage.crypto.keys import Keyring
from storage.mongo.client import Database
from storage.mongo.provider_connections import MongoConnections


class ProviderRows(NamedTuple):
    """The private rows beside the resources."""

    connections: MongoConnections


def provider_rows(database: Database, keyring: Keyring) -> ProviderRows:
    """All of them."""
    return ProviderRows(MongoConnections(database, keyring))
