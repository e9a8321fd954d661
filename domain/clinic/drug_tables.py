"""The drug tables that are in force: versions by name, imported by administrators, used by the next check anywhere.

Tables have a name and versions that count 1, 2, 3 …; the newest version of each name is in force, unless it was taken out of
use. The tables that come with the product are version 0 of `STARTER`, so an import under that name takes their place.
Nothing in them is about a patient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from domain.clinic.drug_interactions import InteractionCheck
from domain.clinic.drug_knowledge import KnowledgeBase, parse
from domain.errors import InvalidFields

STARTER = "onc"
MAX_BYTES = 24 * 1024 * 1024
"""Of all three texts of one import."""


class Tables(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the tables of a name: who imported it, the versions its rules state, and how much it holds."""

    name: str
    number: int
    imported_at: datetime | None
    imported_by: str | None
    active: bool
    version: str
    drugs: int
    classes: int
    rules: int


class DrugTables(Protocol):
    """Implemented by `storage.mongo.drug_tables`."""

    async def active(self) -> InteractionCheck:
        """The check by the tables in force now, whichever process imported them."""
        ...

    async def listed(self) -> Sequence[Tables]:
        """The newest version of every name, by name."""
        ...

    async def texts(self, name: str) -> Mapping[str, str]:
        """The three CSV texts of the newest version. Raises `NotFound`."""
        ...

    async def put(self, name: str, texts: Mapping[str, str] | None, *, by: str) -> Tables:
        """Store the next version and put it in force; without texts take the name out of use.

        Raises `NotFound` for taking out what there is not, `Contention` when somebody else does the same at once.
        """
        ...


def checked(texts: Mapping[str, str]) -> KnowledgeBase:
    """The tables of three CSV texts. Raises `InvalidFields` for what cannot be used, or is too much."""
    if sum(len(text.encode()) for text in texts.values()) > MAX_BYTES:
        raise InvalidFields(f"The tables are larger than {MAX_BYTES // 1024 // 1024} MB")
    return parse(texts)


def described(name: str, number: int, known: KnowledgeBase) -> Tables:
    """What is told of tables that are in force."""
    return Tables(
        name=name,
        number=number,
        imported_at=None,
        imported_by=None,
        active=True,
        version=known.version,
        drugs=len(known.drugs),
        classes=len(known.members),
        rules=len(known.rules),
    )
