"""A run ends: as a Task, with Provenance of what came, a line of the log, and notices of what people must know.

Everything is written under ids that follow from the run's, the run itself last, so that whoever repeats this after a crash adds
nothing. PRODUCT 2.9.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.clinic.care_team import team_of
from domain.clinic.provider_ports import Connection
from domain.clinic.sync_items import Coming
from domain.clinic.sync_log import Line, Status
from domain.clinic.sync_parts import Sync
from domain.clinic.sync_pulling import action_of
from domain.clinic.sync_runs import Run, State
from domain.clinic.sync_taking import DOCUMENT
from domain.clinic.sync_troubles import ADVICE
from domain.identity import FhirJson, ResourceKey
from domain.interactions.parts import Answer, Occasion, Parts, opened
from domain.interactions.writing import Planned, changed, write_one
from domain.notices import Notice
from domain.revision import same_content

PAUSES = (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=12))
"""Until the next automatic run after one that failed, if that is sooner than it would be anyway."""
LONGEST_WAIT_SECONDS = 86_400.0
MOST_NEWS = 10
"""Changes told of one by one."""
AT_MOST = 500
"""Targets of one Provenance."""
MOST_DOCUMENTS = 500
"""Documents a Task names; the Provenances name all."""


class Came(NamedTuple):
    """What a run took: the resource of ours, as what, and why it is worth telling of."""

    local: str
    coming: Coming
    news: str | None


async def finish(sync: Sync, run: Run, connection: Connection | None, wait: float | None = None) -> None:
    """Write down what came of a run that is over, and let go of it. `wait` are the seconds a provider asks us to stay away.

    Raises `Gone` when the patient was erased, `Contention`."""
    documents = await sync.items.of_run(run.id, kind=DOCUMENT, after="", count=MOST_DOCUMENTS)
    task = sync.records.task(run, [each.local for each in documents if each.coming != "CONFLICT"])
    notices: tuple[Notice, ...] = ()
    if connection is not None:
        came = [each async for each in _came(sync, run)]
        await _provenances(sync, run, connection, came)
        notices = await _notices(sync, run, connection, [each.news for each in came if each.news])
    await stored(sync.parts, sync.occasion(), task, notices)
    await sync.log.write([_line(run)])
    if connection is not None and run.state == "FAILED" and connection.every is not None:
        await sync.connections.plan(connection, _next(run, connection, wait))
    await sync.runs.end(run)


async def stored(parts: Parts, occasion: Occasion, content: FhirJson, notices: tuple[Notice, ...] = ()) -> Answer:
    """Store a resource under its own id, unless it says that already; the notices come with it."""
    key = ResourceKey(content["resourceType"], content["id"])
    parts.validate.check(content)

    async def plan() -> Planned:
        base = await parts.store.newest(key)
        if base is not None and not base.head.deleted:
            current = await opened(parts, base)
            if same_content(content, base, current):
                return Planned(Answer(200, base.head, current))
        change, answer = changed(parts, occasion, key, content, method="PUT", base=base)
        return Planned(answer, change, notices=notices)

    return await write_one(parts, occasion, plan)


async def _provenances(sync: Sync, run: Run, connection: Connection, came: Sequence[Came]) -> None:
    comings: tuple[Coming, ...] = ("NEW", "CHANGED")
    for coming in comings:
        targets = [each.local for each in came if each.coming == coming]
        for number, start in enumerate(range(0, len(targets), AT_MOST), 1):
            content = sync.records.provenance(run, connection, targets[start : start + AT_MOST], coming)
            await stored(sync.parts, sync.occasion(), {**content, "id": f"{run.id}-{coming.lower()}-{number}"})


async def _came(sync: Sync, run: Run) -> AsyncIterator[Came]:
    after = ""
    while found := await sync.items.of_run(run.id, kind=None, after=after, count=AT_MOST):
        for each in found:
            yield Came(each.local, each.coming, each.news)
        after = found[-1].local


async def _notices(sync: Sync, run: Run, connection: Connection, news: Sequence[str]) -> tuple[Notice, ...]:
    progress = run.progress
    told: dict[str, dict[str, str]] = {}
    if run.state == "FAILED" and (run.failures == 0 or run.trigger == "MANUAL") and progress.troubles:
        advice = ADVICE[progress.troubles[-1].cause]
        told["sync-failed"] = {"detail": advice.detail, "steps": " ".join(advice.steps)}
    conflicts = sum(each.cause == "conflict" for each in progress.troubles)
    if conflicts:
        told["sync-conflict"] = {"count": str(conflicts)}
    if news:
        more = [f"and {len(news) - MOST_NEWS} more"] if len(news) > MOST_NEWS else []
        told["sync-news"] = {"news": "; ".join([*news[:MOST_NEWS], *more])}
    if not told:
        return ()
    recipients = tuple(dict.fromkeys((*run.by, *await team_of(sync.parts, run.patient))))
    return tuple(
        Notice(
            id=f"run/{run.id}/{kind}",
            kind=kind,
            recipients=recipients,
            due=sync.parts.clock(),
            patient=run.patient,
            about=(f"Task/{run.id}", f"Patient/{run.patient}"),
            values={"provider": connection.name, **values},
        )
        for kind, values in told.items()
        if recipients
    )


_STATUS: dict[State, Status] = {"COMPLETED": "SUCCESS", "PARTIAL": "PARTIAL", "CANCELLED": "CANCELLED"}


def _line(run: Run) -> Line:
    tallies = run.progress.tallies
    new, altered, errors = (sum(getattr(each, name) for each in tallies) for name in ("new", "changed", "errors"))
    said = [f"{new} new, {altered} changed, {errors} with errors."]
    said += [ADVICE[cause].detail for cause in dict.fromkeys(each.cause for each in run.progress.troubles)]
    return Line(
        cause=f"run/{run.id}",
        patient=run.patient,
        action=action_of(run),
        status=_STATUS.get(run.state, "FAILED"),
        at=run.ended or run.created,
        details=" ".join(said),
        about=f"Task/{run.id}",
        run=run.id,
    )


def _next(run: Run, connection: Connection, wait: float | None) -> datetime | None:
    """When to try again by itself: never while somebody has to do something first."""
    causes = [each.cause for each in run.progress.troubles]
    if run.ended is None or connection.every is None or not (causes and ADVICE[causes[-1]].retryable):
        return None
    pause = PAUSES[min(run.failures, len(PAUSES) - 1)] * random.uniform(1.0, 1.2)  # noqa: S311
    return run.ended + max(min(pause, connection.every), timedelta(seconds=min(wait or 0, LONGEST_WAIT_SECONDS)))
