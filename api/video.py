"""Video rooms for demonstrations: links that look and expire as a provider's would, with nobody behind them.

A provider is a class with the same method (`domain.clinic.booking_desk.VideoRooms`), chosen in `api/surfaces.py`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime

from domain.clinic.booking_desk import Room


class DemonstrationRooms:
    """One room per appointment below an address, with a key for each side. Neither tells which appointment it is."""

    def __init__(self, address: str, secret: bytes) -> None:
        self._address = address.rstrip("/")
        self._secret = secret

    async def room(self, appointment: str, *, participant: str, until: datetime) -> Room:
        """See `VideoRooms.room`."""
        ends = int(until.timestamp())
        room, key = self._name(f"room|{appointment}"), self._name(f"key|{appointment}|{participant}|{ends}")
        return Room(f"{self._address}/{room}?until={ends}#{key}", until)

    def _name(self, text: str) -> str:
        made = hmac.digest(self._secret, f"chartvault/video/1|{text}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(made[:18]).decode()
