"""Counting what a run does: tallies by type, and troubles; each step is a new value of the run."""

from __future__ import annotations

from datetime import datetime

import msgspec

from domain.clinic.provider_ports import Cause
from domain.clinic.sync_runs import MOST_TROUBLES, Run, Tally, Trouble


def tally_of(run: Run, kind: str) -> Tally:
    return next((each for each in run.progress.tallies if each.type == kind), Tally(kind))


def tallied(run: Run, tally: Tally) -> Run:
    others = [each for each in run.progress.tallies if each.type != tally.type]
    return with_progress(run, tallies=(*others, tally))


def begun(run: Run, kind: str) -> Run:
    """The run at the beginning of a type: what was counted of it before an interruption is counted again."""
    troubles = tuple(each for each in run.progress.troubles if each.type != kind)
    return tallied(with_progress(run, stage=kind, troubles=troubles), Tally(kind))


def finished(run: Run, kind: str, *troubles: Trouble) -> Run:
    run = troubled(run, *troubles)
    tally = tally_of(run, kind)
    return tallied(run, msgspec.structs.replace(tally, errors=tally.errors + len(troubles), done=True))


def counted(run: Run, kind: str, *, total: int = 0, new: int = 0, changed: int = 0, errors: int = 0) -> Run:
    one = tally_of(run, kind)
    return tallied(
        run, Tally(kind, one.total + total, one.new + new, one.changed + changed, one.errors + errors, one.done)
    )


def troubled(run: Run, *troubles: Trouble) -> Run:
    room = MOST_TROUBLES - len(run.progress.troubles)
    return with_progress(run, troubles=(*run.progress.troubles, *troubles[: max(room, 0)])) if troubles else run


def with_progress(run: Run, **changes: object) -> Run:
    return msgspec.structs.replace(run, progress=msgspec.structs.replace(run.progress, **changes))


def begun_again(run: Run, now: datetime, agreed: int, place: str) -> Run:
    """The run as it is taken up: by the connection as it is now. Marks of another place mean nothing here."""
    if run.place != place:
        run = with_progress(run, marks={}, tallies=(), troubles=())
    return msgspec.structs.replace(run, state="RUNNING", started=run.started or now, agreed=agreed, place=place)


def failed_with(run: Run, cause: Cause) -> Run:
    """The run that ends with this."""
    kept = run.progress.troubles[: MOST_TROUBLES - 1]
    return with_progress(run, troubles=(*kept, Trouble(cause, run.progress.stage)))
