"""Taking what a provider has: type by type, page by page, in bounded memory. PRODUCT 3.2, items 1 to 4.

A type begins where it was last complete, by the provider's own clock and five minutes before, and only what came to its
end without any error moves that mark. After every page it is stored how far the run is. What is missing there is never
removed here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.clinic.provider_ports import Able, Connection, ProviderTrouble, Remote, RemotePage
from domain.clinic.sync_counting import begun, counted, finished, tally_of, troubled, with_progress
from domain.clinic.sync_items import Coming, Item, Known, Source
from domain.clinic.sync_log import Action, Line
from domain.clinic.sync_parts import Sync
from domain.clinic.sync_runs import Run, Trouble
from domain.clinic.sync_taking import DOCUMENT, NEVER, Taken, taken
from domain.clinic.sync_troubles import ADVICE
from domain.errors import DomainError
from domain.identity import FhirJson
from domain.interactions.pacing import side_by_side

OVERLAP = timedelta(minutes=5)
AT_ONCE, FILES_AT_ONCE = 50, 4
"""Entries of a page that are written together: they share commits, which is what the time goes into. Files are fetched few at a
time: they hold connections of the provider."""
MOST_ENTRIES = 100_000
"""Entries of one type in one run."""
TRIES = 3
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
"""Before a type is asked for once more: the longer, the more often; and the longest that a provider may ask us to wait."""
ORDER = ("Encounter", "Condition", "AllergyIntolerance", "Observation")
"""Types that others refer to come first, so that references lead to what is here."""
LAST = ("DiagnosticReport", DOCUMENT)

Step = Callable[[Run], Awaitable[None]]
"""Stores how far a run is. Raises `Contention` when it is no longer ours, `Stopped` when it is to end."""


class Stopped(Exception):
    """Somebody has cancelled the run."""


class Entry(NamedTuple):
    """One entry of a page: what the provider calls it, and what is known of it."""

    name: str
    content: FhirJson
    digest: bytes
    known: Known | None


async def pull(sync: Sync, remote: Remote, connection: Connection, run: Run, step: Step) -> Run:
    """Take everything there is to take; the run as it is then, also when a type or an entry failed.

    Raises `ProviderTrouble` when nothing of the provider works, and what `Step` raises.
    """
    able = await remote.able()
    if not able.is_r4:
        raise ProviderTrouble("bad_content")
    await _require_patient(remote, connection)
    for kind in in_order(run.types):
        if kind in NEVER or kind not in able.types or tally_of(run, kind).done:
            continue
        run = await _type(sync, remote, connection, able, run, kind, step)
    return run


async def _require_patient(remote: Remote, connection: Connection) -> None:
    """Raise `ProviderTrouble` unless the provider knows the patient: searches about an unknown one find nothing, in silence."""
    try:
        await remote.read("Patient", connection.remote_patient)
    except ProviderTrouble as trouble:
        if trouble.cause not in ("forbidden", "not_allowed"):  # some let us search, but not read who it is
            raise


def in_order(types: Sequence[str]) -> list[str]:
    """The types of a run, each once, in the order they are taken in."""
    first = [each for each in ORDER if each in types]
    rest = [each for each in types if each not in ORDER and each not in LAST]
    return list(dict.fromkeys([*first, *rest, *(each for each in LAST if each in types)]))


async def _type(sync: Sync, remote: Remote, connection: Connection, able: Able, run: Run, kind: str, step: Step) -> Run:
    mark = run.progress.marks.get(kind)
    since = None if run.full or mark is None or kind not in able.dated else mark - OVERLAP
    for tried in range(1, TRIES + 1):
        run = begun(run, kind)
        await step(run)
        try:
            run, date = await _pages(sync, remote, connection, run, kind, since, step)
        except ProviderTrouble as trouble:
            if not await _worth_another(trouble, tried):
                if ADVICE[trouble.cause].fatal:
                    raise
                return finished(run, kind, Trouble(trouble.cause, kind))
            continue
        tally = tally_of(run, kind)
        if date is not None and not tally.errors:
            marks = {**run.progress.marks, kind: date}
            run = with_progress(run, marks=marks)
        return finished(run, kind)
    return run


async def _worth_another(trouble: ProviderTrouble, tried: int) -> bool:
    """Whether to ask once more, after a pause."""
    pause = trouble.retry_after or PAUSE_SECONDS * tried
    if tried == TRIES or not ADVICE[trouble.cause].retryable or pause > LONGEST_PAUSE_SECONDS:
        return False
    await asyncio.sleep(pause)
    return True


async def _pages(
    sync: Sync, remote: Remote, connection: Connection, run: Run, kind: str, since: datetime | None, step: Step
) -> tuple[Run, datetime | None]:
    began: datetime | None = None
    seen: set[str] = set()
    async for page in remote.pages(kind, since=since):
        began = began or page.date
        run = await _page(sync, remote, connection, run, kind, page, seen)
        await step(run)
        if tally_of(run, kind).total > MOST_ENTRIES:
            raise ProviderTrouble("bad_content")
    return run, began


async def _page(
    sync: Sync, remote: Remote, connection: Connection, run: Run, kind: str, page: RemotePage, seen: set[str]
) -> Run:
    source = Source(connection.patient, connection.base)
    entries, strange = await _entries(sync, source, kind, page, seen)
    run = counted(run, kind, total=len(entries) + strange, errors=strange)
    if strange:
        run = troubled(run, *[Trouble("bad_content", kind)] * strange)
    names = await _names(sync, source, connection, entries)

    async def one(entry: Entry) -> Taken | Exception | None:
        if entry.known is not None and entry.known.same:
            return None
        try:
            return await taken(sync, remote, source, entry.content, entry.name, names)
        except (DomainError, ProviderTrouble) as failure:  # the others of the page come to their end first
            return failure

    found = await side_by_side(one, entries, at_once=FILES_AT_ONCE if kind == DOCUMENT else AT_ONCE)
    came = [(entry, each) for entry, each in zip(entries, found, strict=True) if not isinstance(each, Exception)]
    items, lines = _kept(sync, run, connection, came)
    await sync.log.write(lines)  # first: what is kept is not looked at again
    await sync.items.keep(source, items)
    for each in found:
        if isinstance(each, Exception):
            raise each
    for entry, one_taken in came:
        run = _after(run, kind, entry, one_taken)
    return run


async def _entries(sync: Sync, source: Source, kind: str, page: RemotePage, seen: set[str]) -> tuple[list[Entry], int]:
    """The entries of a page that were not `seen` on those before, and how many there are that are none."""
    named: dict[str, FhirJson] = {}
    strange = 0
    for content in page.resources:
        name = sync.entries.name(content)
        if name is None or name.partition("/")[0] != kind:
            strange += 1
        elif name not in seen:
            named[name] = content
    seen.update(named)
    digests = {name: sync.entries.digest(content) for name, content in named.items()}
    known = await sync.items.known(source, list(digests.items()))
    return [Entry(name, named[name], digests[name], known.get(name)) for name in named], strange


async def _names(sync: Sync, source: Source, connection: Connection, entries: Sequence[Entry]) -> dict[str, str]:
    """What the entries of a page refer to that is here, and what they are: the patient, what came, this page itself."""
    wanted = [each for each in entries if each.known is None or not each.known.same]
    said = {name for each in wanted for name in sync.entries.mentions(each.content, source.base)}
    said -= {name for name in said if name.partition("/")[0] in NEVER}
    there = await sync.items.there(source, sorted(said)) | (said & {each.name for each in entries})
    found = {name: f"{name.partition('/')[0]}/{sync.items.local_id(source, name)}" for name in there}
    return {**found, f"Patient/{connection.remote_patient}": f"Patient/{connection.patient}"}


def _kept(
    sync: Sync, run: Run, connection: Connection, came: Sequence[tuple[Entry, Taken | None]]
) -> tuple[list[Item], list[Line]]:
    """What is to be remembered of a page: its entries that were taken, and a line of the log for each."""
    now, items, lines = sync.parts.clock(), list[Item](), list[Line]()
    for entry, each in came:
        if each is None:
            continue
        coming: Coming = "CONFLICT" if each.trouble == "conflict" else "NEW" if entry.known is None else "CHANGED"
        if each.trouble in (None, "conflict"):
            items.append(
                Item(
                    name=entry.name,
                    local=str(each.local),
                    digest=entry.digest,
                    run=run.id,
                    coming=coming,
                    at=now,
                    version=sync.entries.version(entry.content),
                    title=each.title,
                    news=each.news if each.local.type in run.progress.marks else None,
                )
            )
        said = f"{coming.lower()}: {each.title}" if each.trouble is None else ADVICE[each.trouble].detail
        lines.append(
            Line(
                cause=f"run/{run.id}/{entry.name}/{each.trouble}",
                patient=connection.patient,
                action=action_of(run),
                status="SUCCESS" if each.trouble is None else "FAILED",
                at=now,
                details=f"{each.local.type} {said}" if each.trouble is None else f"{entry.name}: {said}",
                about=None if entry.known is None and each.trouble not in (None, "conflict") else str(each.local),
                run=run.id,
            )
        )
    return items, lines


def action_of(run: Run) -> Action:
    """What the log calls a run."""
    return "MANUAL_SYNC" if run.trigger == "MANUAL" else "AUTO_UPDATE"


def _after(run: Run, kind: str, entry: Entry, each: Taken | None) -> Run:
    """The run with one entry counted. What this run took before it was interrupted counts as taken by it."""
    if each is None:
        known = entry.known
        if known is None or known.run != run.id:
            return run
        if known.coming == "CONFLICT":
            return troubled(counted(run, kind, errors=1), Trouble("conflict", kind, entry.name))
        return counted(run, kind, new=known.coming == "NEW", changed=known.coming == "CHANGED")
    if each.trouble is not None:
        return troubled(counted(run, kind, errors=1), Trouble(each.trouble, kind, entry.name))
    return counted(run, kind, new=entry.known is None, changed=entry.known is not None)
