"""Synchronisation with providers, beside the requests: runs are carried out a few at a time in every server process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from api.background import EVERY_SECONDS, patiently, repeated
from api.outside import providers_of
from api.settings import Settings
from api.wiring import Opened
from domain.clinic.provider_pushing import ProviderPost
from domain.clinic.sync_parts import Sync
from domain.clinic.sync_work import queue_due, work
from fhir_mapping.friendly.syncs import Syncs
from fhir_mapping.provider_edits import ProviderEdits
from fhir_mapping.provider_entries import ProviderEntries

LANES = 2
"""Runs that one process carries out at a time."""


def sync_of(settings: Settings, opened: Opened) -> Sync:
    """What synchronisation works with."""
    rows = opened.providers
    remotes = providers_of(settings)
    return Sync(opened.parts, rows.connections, remotes, rows.runs, rows.items, rows.log, ProviderEntries(), Syncs())


def post_of(sync: Sync) -> ProviderPost:
    """What carries changes made here to providers."""
    return ProviderPost(sync, ProviderEdits())


@asynccontextmanager
async def syncing(sync: Sync) -> AsyncIterator[None]:
    """While inside, queue what is due, and carry out what is queued."""

    async def turn() -> None:
        while await work(sync):
            pass
        await sync.runs.arrived(EVERY_SECONDS)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(repeated("due synchronisations", partial(queue_due, sync)))
        for _ in range(LANES):
            await stack.enter_async_context(repeated("synchronisations", partial(patiently, turn), seconds=0))
        yield
