"""Text messages. No provider is built in: this carrier writes them to a folder, for development and demonstrations.

A provider is one more `domain.outbox.Carry`, chosen in `api/wiring.py`.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec

from domain.clinic.telling import TextMessage
from domain.outbox import Parcel, Undeliverable


class FolderSms:
    """`domain.outbox.Carry`: one JSON file a message, readable by its owner alone; a message that comes again replaces
    itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def __call__(self, parcel: Parcel) -> str:
        try:
            await asyncio.to_thread(self._write, f"{parcel.id}.json", parcel.content)
        except OSError as error:
            raise Undeliverable(type(error).__name__) from None
        return "written"

    def _write(self, name: str, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        message = msgspec.msgpack.decode(content, type=TextMessage)
        with os.fdopen(os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(message))
