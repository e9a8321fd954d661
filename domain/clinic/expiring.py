"""Holds that have run out are written down as such, some time later, by whichever process comes first.

Nothing waits for it: a hold is EXPIRED for everybody from the moment it ends, and its time can be booked. What this adds is
that FHIR clients read it too, and that its Slot is gone.
"""

from __future__ import annotations

import msgspec

from domain.access import background
from domain.clinic.appointments import StillOpen, expired
from domain.clinic.booking import KIND
from domain.clinic.booking_desk import Desk
from domain.clinic.calendars import cards_of, utc_text
from domain.errors import DomainError
from domain.interactions.parts import Occasion

EVERY_SECONDS = 60.0
MOST_AT_ONCE = 500
_SWEEPER = background("expiring")


async def write_down(desk: Desk) -> None:
    """Cancel the holds that have run out. What cannot be written now is left for the next time."""
    parts, now = desk.parts, desk.parts.clock()
    since = utc_text(now - desk.rules.hold)
    pairs = [("status", "pending"), ("_lastUpdated", f"lt{since}"), ("slot:missing", "false"), ("_total", "none")]
    query = parts.search.parse(KIND, pairs, strict=True).query
    page = await parts.store.find(msgspec.structs.replace(query, count=MOST_AT_ONCE))
    cards = await cards_of(parts, desk.records, page.matches)
    for card in cards:
        if card.state(now) != "EXPIRED":
            continue
        occasion = Occasion(_SWEEPER, f"expire-{card.id}", "appointment-expire")
        try:
            await expired(desk, occasion, card.id)
        except (StillOpen, DomainError):
            continue
