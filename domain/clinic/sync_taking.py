"""One entry of a provider becomes a resource of ours, or the next version of one. PRODUCT 3.2, items 2 to 5.

Written through the interactions, as by any FHIR client: checked, labelled, in the audit. Its id follows from what the
provider calls it, so whoever repeats this after a crash finds what was done. Which version was written here stands in a cell,
in the same transaction: when the newest is another one, somebody here has changed it, and it is never overwritten. What comes
states no relations between people and is in the record of this patient only, whatever a provider says.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from domain.cells import Cell
from domain.clinic.provider_ports import Cause, ProviderTrouble, Remote
from domain.clinic.sync_files import Fetched, fetched
from domain.clinic.sync_items import Source
from domain.clinic.sync_parts import Sync
from domain.clinic.sync_troubles import ADVICE
from domain.errors import Contention, DomainError, Gone, InvalidContent, Unavailable
from domain.identity import FhirJson, ResourceKey
from domain.interactions.bringing import replaced
from domain.interactions.brought import Brought
from domain.interactions.parts import Parts, opened
from domain.interactions.update import replacing
from domain.interactions.writing import Planned, write_one
from domain.revision import Change, Stored

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
NEVER = frozenset({"Patient", "Binary", "Task", "Provenance", "AuditEvent"})
"""Types that are not taken: who the patient is, and what is recorded here, is not a provider's to say."""
DOCUMENT = "DocumentReference"


class Taken(NamedTuple):
    """What came of an entry: the resource of ours and its title, and why it is worth telling of; or why it was not taken."""

    local: ResourceKey
    title: str
    news: str | None = None
    trouble: Cause | None = None


async def taken(
    sync: Sync, remote: Remote, source: Source, entry: FhirJson, name: str, names: Mapping[str, str]
) -> Taken:
    """Take the entry of that name. `names` are entries that are here, as references.

    Raises `Gone` when the patient was erased, `Unavailable`, and `ProviderTrouble` when nothing else will work either.
    """
    key = ResourceKey(name.partition("/")[0], sync.items.local_id(source, name))
    cause: Cause = "bad_content"
    try:
        return await _taken(sync, remote, source, entry, key, names)
    except ProviderTrouble as trouble:
        cause = trouble.cause
        if ADVICE[cause].fatal:
            raise
    except _Edited:
        cause = "conflict"
    except (Gone, Contention, Unavailable):
        raise
    except DomainError:
        cause = "bad_content"
    return Taken(key, key.type, trouble=cause)


class _Edited(Exception):
    """Somebody here has changed what came from the provider."""


async def _taken(
    sync: Sync, remote: Remote, source: Source, entry: FhirJson, key: ResourceKey, names: Mapping[str, str]
) -> Taken:
    parts = sync.parts
    parts.validate.check(entry)
    content = sync.entries.ours(entry, key, base=source.base, names=names)
    _require_theirs(parts, content, key, source.patient)
    base = await parts.store.newest(key)
    before = None if base is None or base.head.deleted else parts.reading.decoded(await opened(parts, base))
    if base is not None and base.head.deleted:
        raise _Edited  # removed here: it does not come back by itself
    files = Fetched()
    if key.type == DOCUMENT:
        files = await fetched(sync, remote, source.patient, content, key, before)
    wrote = await _written(sync, key, content, files)
    news = sync.entries.news(content, before) if wrote else None
    return Taken(key, sync.entries.title(content), news)


def _require_theirs(parts: Parts, content: FhirJson, key: ResourceKey, patient: str) -> None:
    """Raise `InvalidContent` unless this belongs to the patient alone, and lets nobody in."""
    described = parts.describe.describe(content, key)
    if key.type in NEVER or described.patient != patient or set(described.patients) != {patient} or described.ties:
        raise InvalidContent("This is nothing of the record of this patient")


async def _written(sync: Sync, key: ResourceKey, content: FhirJson, files: Fetched) -> bool:
    """Store it, unless it is stored already; whether it was not. Raises `_Edited`."""
    parts, occasion, wrote = sync.parts, sync.occasion(), False

    async def plan() -> Planned:
        nonlocal wrote
        base = await parts.store.newest(key)
        brought = Brought(content)
        if key.type == DOCUMENT:
            superseded, _ = await replaced(parts, occasion, content, base)
            brought = Brought(content, files.words, files.binaries, superseded)
        planned = await replacing(parts, occasion, key, content, base=base, method="PUT", brought=brought)
        wrote = planned.change is not None
        return await _noted(parts, planned, base) if wrote else planned

    try:
        await write_one(parts, occasion, plan)
    except BaseException:
        wrote = False
        raise
    finally:
        if not wrote:
            await parts.blobs.discard(files.blobs)
    return wrote


async def _noted(parts: Parts, planned: Planned, base: Stored | None) -> Planned:
    """The same with the cells that say which versions were written here. Raises `_Edited` when the last one was not."""
    changes = [each for each in (planned.change, *planned.others) if each is not None and _is_noted(each, planned)]
    held = await parts.store.cells([_cell(each) for each in changes])
    if base is not None and held[0].holder != base.head.key.at(base.head.version):
        raise _Edited
    cells = tuple(
        Cell(_cell(change), each.seen, change.revision.key.at(change.revision.version), FOREVER)
        for change, each in zip(changes, held, strict=True)
        if change is planned.change or (change.base is not None and each.holder == _name(change.base))
    )
    return msgspec.structs.replace(planned, cells=cells)


def _is_noted(change: Change, planned: Planned) -> bool:
    """The resource itself; and documents it replaces, which this write marks as superseded."""
    return change is planned.change or change.revision.key.type == DOCUMENT


def _name(stored: Stored) -> str:
    return stored.head.key.at(stored.head.version)


def _cell(change: Change) -> str:
    return last_written(change.revision.key)


def last_written(key: ResourceKey) -> str:
    """The name of the cell that holds which version synchronisation wrote last."""
    return f"provider-sync/{key}"
