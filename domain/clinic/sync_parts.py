"""What synchronisation works with, put together once, and who it is when it writes."""

from __future__ import annotations

from typing import NamedTuple

from domain.access import Caller, parse_scopes
from domain.clinic.provider_ports import Connections, Remotes
from domain.clinic.sync_items import Items
from domain.clinic.sync_log import LogBook
from domain.clinic.sync_records import Entries, SyncRecords
from domain.clinic.sync_runs import Runs
from domain.interactions.parts import Occasion, Parts

WORKER = Caller("provider-sync", "chartvault-server", "background", parse_scopes("system/*.cruds"))
"""Who takes what comes from a provider: nobody else writes what it has written, so only the source may change it."""


class Sync(NamedTuple):
    """The ports, and how FHIR says it."""

    parts: Parts
    connections: Connections
    remotes: Remotes
    runs: Runs
    items: Items
    log: LogBook
    entries: Entries
    records: SyncRecords

    def occasion(self) -> Occasion:
        """An occasion of the background, as the audit names it."""
        return Occasion(WORKER, self.parts.new_id(), "provider-sync")
