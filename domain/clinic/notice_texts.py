"""How notices read, by kind: the table to extend when something new is worth telling.

A title says what kind of thing happened and nothing of anybody: it may stand in a subject line. The text may quote `values`
of the notice, in braces; it is shown to who has logged in, and mailed only where the clinic has decided so (`details`).
"""

from __future__ import annotations

from collections.abc import Mapping
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
        "An appointment waits to be confirmed", "{start}, {doctor}: please confirm by {until}."
    ),
    "appointment-confirmed": Wording("An appointment was confirmed", "{start}: {patient} with {doctor}."),
    "appointment-cancelled": Wording("An appointment was cancelled", "{start}: {patient} with {doctor}. {reason}"),
    "appointment-rescheduled": Wording(
        "An appointment was moved", "{patient} with {doctor}: {start} instead of {before}."
    ),
    "appointment-reminder": Wording("An appointment is coming up", "{start}: {patient} with {doctor}."),
    "prescription-issued": Wording("There is a new prescription", "{medication}, prescribed by {doctor}."),
    "prescription-changed": Wording("A prescription has changed", "{medication}: {status}."),
    "result-ready": Wording("There is a new result", "{title} is ready."),
    "record-changed": Wording("There is something new in a record", "{title}"),
    "document-added": Wording("There is a new document", "{title}"),
    "document-shared": Wording("A document was shared with you", "{title}"),
    "invoice-issued": Wording("There is a new invoice", "{amount} {currency}, due on {due}."),
    "payment-received": Wording("A payment has arrived", "{amount} {currency}."),
    "inquiry-received": Wording(
        "Somebody asks to become a patient", "The inquiry waits for an answer.", "/patients/new?inquiry={inquiry}"
    ),
}


def wording_of(kind: str, values: Mapping[str, str]) -> Wording:
    """How a notice of this kind reads."""
    found, blank = WORDINGS.get(kind, NEWS), _Blank(values)
    return Wording(found.title, found.text.format_map(blank), found.path.format_map(blank))
