"""Handing one parcel to the server, as often as it takes, and reading what became of each entry.

Busy servers (429, 503 and their like) and broken connections are met with back-off; the Idempotency-Key of the parcel
makes a repeated request harmless. What the server refuses comes back as one `Failure` per entry, in the server's words.
"""

from __future__ import annotations

import asyncio
import random
import re
from typing import NamedTuple

import msgspec

from api.http_client import Answer, Client, HttpError
from api.loading.parcels import Parcel

ATTEMPTS = 9
_BUSY = frozenset({408, 429, 502, 503, 504})
_LONGEST_PAUSE = 15.0
_ENTRY = re.compile(r"Bundle\.entry\[(\d+)\]")
_FHIR = "application/fhir+json"


class NotAllowed(Exception):
    """The server does not know the caller: nothing further can succeed."""


class ServerLost(Exception):
    """The server did not answer, or was busy, for longer than is worth waiting."""


class Failure(NamedTuple):
    """One refused entry: its place in the parcel (`None`: the whole request), HTTP status, the server's sentence."""

    place: int | None
    status: int
    diagnostics: str


class Delivery(NamedTuple):
    """What became of a parcel: entries created, entries there already (or replaced), entries that failed."""

    created: int
    present: int
    failures: tuple[Failure, ...]


class _Detail(msgspec.Struct, frozen=True):
    text: str = ""


class _Issue(msgspec.Struct):
    diagnostics: str = ""
    details: _Detail = _Detail()
    expression: list[str] = []


class _Outcome(msgspec.Struct):
    issue: list[_Issue] = []


class _Response(msgspec.Struct):
    status: str
    outcome: _Outcome | None = None


class _Entry(msgspec.Struct):
    response: _Response


class _Bundle(msgspec.Struct):
    entry: list[_Entry] = []


_bundle = msgspec.json.Decoder(_Bundle)
_outcome = msgspec.json.Decoder(_Outcome)


async def deliver(client: Client, parcel: Parcel) -> Delivery:
    """Send the parcel until it is answered for good.

    Entries of a batch can meet a busy server one by one. The batch then goes again as it was: under its key the server
    answers what it has stored and carries out the rest. A smaller batch would have another key, and an entry whose
    outcome was unknown could be stored twice. Raises `NotAllowed` (401, 403) or `ServerLost` after `ATTEMPTS` attempts.
    """
    delivery = await _once(client, parcel)
    for attempt in range(ATTEMPTS):
        if not any(failure.status in _BUSY for failure in delivery.failures):
            break
        await asyncio.sleep(_pause(attempt, None))
        delivery = await _once(client, parcel)
    return delivery


async def _once(client: Client, parcel: Parcel) -> Delivery:
    """One request, repeated while the server is busy or away, and its answer read."""
    headers = {"Content-Type": _FHIR, "Accept": _FHIR, "Prefer": "return=minimal", "Idempotency-Key": parcel.key}
    for attempt in range(ATTEMPTS):
        last = attempt + 1 == ATTEMPTS
        try:
            answer = await client.request(parcel.method, parcel.path, parcel.body, headers)
        except HttpError as error:
            if last:
                raise ServerLost(str(error)) from error
            await asyncio.sleep(_pause(attempt, None))
            continue
        if answer.status in (401, 403):
            raise NotAllowed(_sentences(answer)[0].diagnostics or "The token is not accepted")
        if answer.status not in _BUSY:
            return _read(parcel, answer)
        if not last:
            await asyncio.sleep(_pause(attempt, answer.header("retry-after")))
    raise ServerLost("The server keeps answering that it is busy")


def _pause(attempt: int, retry_after: str | None) -> float:
    """Seconds before the next attempt: doubled each time, never in step with other clients."""
    asked = float(retry_after) if retry_after is not None and retry_after.isdecimal() else 0.0
    pause: float = max(asked, 0.1 * 2.0**attempt) * random.uniform(1.0, 1.3)  # noqa: S311 no secret
    return min(_LONGEST_PAUSE, pause)


def _read(parcel: Parcel, answer: Answer) -> Delivery:
    count = len(parcel.indexes)
    if answer.status >= 300:
        return Delivery(0, 0, tuple(_sentences(answer)))
    if parcel.path:
        return Delivery(int(answer.status == 201), int(answer.status != 201), ())
    try:
        entries = _bundle.decode(answer.body).entry
    except msgspec.DecodeError:
        entries = []
    if len(entries) != count:
        return Delivery(0, 0, (Failure(None, answer.status, "The answer does not name every entry"),))
    created, failures = 0, []
    for place, entry in enumerate(entries):
        status = int(entry.response.status[:3]) if entry.response.status[:3].isdecimal() else 0
        if not 200 <= status < 300:
            failures.append(Failure(place, status, _first(entry.response.outcome)))
        created += status == 201
    return Delivery(created, count - created - len(failures), tuple(failures))


def _sentences(answer: Answer) -> list[Failure]:
    """The issues of a refused request, each with the entry it names."""
    try:
        issues = _outcome.decode(answer.body).issue
    except msgspec.DecodeError:
        issues = []
    found = [_failure(answer.status, issue) for issue in issues]
    return found or [Failure(None, answer.status, "No reason given")]


def _failure(status: int, issue: _Issue) -> Failure:
    entry = _ENTRY.match(issue.expression[0]) if issue.expression else None
    return Failure(int(entry[1]) if entry else None, status, _words(issue))


def _first(outcome: _Outcome | None) -> str:
    return _words(outcome.issue[0]) if outcome is not None and outcome.issue else "No reason given"


def _words(issue: _Issue) -> str:
    words = issue.diagnostics or issue.details.text or "No reason given"
    return f"{words} ({issue.expression[0]})" if issue.expression else words
