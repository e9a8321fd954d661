"""Uploads in parts that are killed (SIGKILL) at one step each: run as a program, see `tests/domain/clinic/test_joining_parts.py`.

    python -m tests.parts_killed <settings as JSON> <patient>

Steps are commands to MongoDB and calls to the file system (`tests/killed_steps.py`), from the first part to the published
document. Prints the id of each upload as it begins; its number, in the order of the lines, seeds its content (`content_of`).
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Mapping

import msgspec

from api.environment import load_settings
from api.settings import Settings
from api.surfaces import Documents
from api.wiring import opened
from domain.access import Caller, parse_scopes
from domain.clinic import uploads
from domain.clinic.document_cards import DocumentForm
from domain.identity import ResourceKey
from domain.interactions.parts import Occasion
from storage.blobs import local
from tests.killed_steps import STEPS, killed_one_by_one, watch

FIRST = 150_000


def content_of(number: int) -> bytes:
    """The content of one upload: no other has the same."""
    return random.Random(number).randbytes(300_000)


def occasion(interaction: str) -> Occasion:
    """A program that may do everything."""
    caller = Caller("program", "program", "none", parse_scopes("system/*.cruds"))
    return Occasion(caller, os.urandom(8).hex(), interaction)


async def stream(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def upload(settings: Settings, patient: str, number: int) -> None:
    content = content_of(number)
    async with opened(settings) as here:
        records = Documents()
        begun = await uploads.begin(
            here.parts, records, here.vouchers, occasion("upload-create"), ResourceKey("Patient", patient),
            len(content), DocumentForm(title=f"Upload {number}"), None,
        )  # fmt: skip
        print(begun.id, flush=True)
        STEPS.fatal, STEPS.armed = number, True
        for start, end in ((0, FIRST), (FIRST, len(content))):
            await uploads.add(
                here.parts,
                records,
                here.vouchers,
                occasion("upload-append"),
                begun.id,
                start,
                stream(content[start:end]),
            )
        STEPS.armed = False


def main() -> None:
    environment = msgspec.json.decode(sys.argv[1], type=dict[str, str])
    watch(local, "_created", "_write", "_sync")
    killed_one_by_one(lambda number: asyncio.run(upload(_settings(environment), sys.argv[2], number)))


def _settings(environment: Mapping[str, str]) -> Settings:
    return load_settings(environment)


if __name__ == "__main__":
    main()
