"""How notices read, by kind: the table to extend when something new is worth telling.

A title says what kind of thing happened and nothing of anybody: it may stand in a subject line. The text may quote `values`
of the notice, in braces; it is shown to who has logged in, and mailed only where the clinic has decided so (`details`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple


class Wording(NamedTuple):
    """`path` is where the front end shows what it is about; it may quote values too, ids only."""

    title: str
    text: str
    path: str = "/notifications"


class _Blank(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "…"


NEWS = Wording("News from your clinic", "There is something new for you.")
"""For a kind of an older or newer release."""

WORDINGS: Mapping[str, Wording] = {
    "appointment-held": Wording(
        "An appointment waits to be confirmed", "{patient} with {doctor}, {start}. Please confirm by {until}."
    ),
    "appointment-confirmed": Wording("An appointment was confirmed", "{patient} with {doctor}, {start}."),
    "appointment-cancelled": Wording("An appointment was cancelled", "{patient} with {doctor}, {start}. {reason}"),
    "appointment-rescheduled": Wording(
        "An appointment was moved", "{patient} with {doctor}, {start} instead of {before}."
    ),
    "appointment-reminder": Wording("An appointment is coming up", "{patient} with {doctor}, {start}."),
    "prescription-issued": Wording("There is a new prescription", "{medication}"),
    "refill-requested": Wording("Somebody asks for more of a prescription", "{medication}"),
    "refill-approved": Wording("A prescription was renewed", "{medication}"),
    "refill-denied": Wording("A prescription was not renewed", "{medication}"),
    "result-ready": Wording("There is a new result", "{title}"),
    "record-changed": Wording("There is something new in a record", "{title}"),
    "document-added": Wording("There is a new document", "{title}"),
    "document-shared": Wording("A document was shared with you", "{title}"),
    "invoice-issued": Wording("There is a new invoice", "It can be paid now."),
    "payment-received": Wording("A payment has arrived", "Thank you."),
    "sync-failed": Wording("Synchronisation with a provider has failed", "{provider}: {detail} {steps}"),
    "sync-conflict": Wording(
        "Entries were changed here and at a provider", "{provider}: {count} entries. Yours were kept; compare both."
    ),
    "sync-news": Wording("Something important was changed by a provider", "{provider}: {news}"),
    "push-done": Wording("A provider took over a change", "{provider} has taken over what you have changed."),
    "push-conflict": Wording(
        "Something was changed here and at a provider", "{provider} was not told of your change. {detail} {steps}"
    ),
    "push-failed": Wording(
        "A change did not reach a provider", "{provider}: {detail} {steps} Then send it again, or contact support."
    ),
    "inquiry-received": Wording(
        "Somebody asks to become a patient", "The inquiry waits for an answer.", "/patients/new?inquiry={inquiry}"
    ),
}
_MOMENTS = frozenset({"start", "end", "until", "before"})


def wording_of(kind: str, values: Mapping[str, str]) -> Wording:
    """How a notice of this kind reads."""
    found = WORDINGS.get(kind, NEWS)
    blank = _Blank({name: _readable(value) if name in _MOMENTS else value for name, value in values.items()})
    return Wording(found.title, found.text.format_map(blank), found.path.format_map(blank))


def _readable(text: str) -> str:
    """A moment for people, `2 Nov 2026, 09:30 UTC`; any other text as it is."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{moment.astimezone(UTC):%-d %b %Y, %H:%M} UTC" if moment.tzinfo else text
