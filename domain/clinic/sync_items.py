"""What came from a provider, entry by entry: which resource of ours it is, and what it was when it came last.

An entry that comes again with the same content is left alone: no new version, no download. PRODUCT 3.2, item 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple, Protocol, TypeAlias

import msgspec

Coming: TypeAlias = Literal["NEW", "CHANGED", "CONFLICT"]
"""`CONFLICT`: it was changed here and there; ours was kept, which is told of once for each change of theirs."""


class Source(NamedTuple):
    """A patient here, and the provider's FHIR base: an entry is told by both and its name there."""

    patient: str
    base: str

    def __repr__(self) -> str:
        return f"Source({self.patient})"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that was taken. `name` is what the provider calls it (`Observation/7`), `local` what we do, `digest` that of its
    content, `version` the provider's; `run` took it, and found it `coming`. `title` is what people call it, `news` why
    its coming is worth telling of."""

    name: str
    local: str
    digest: bytes
    run: str
    coming: Coming
    at: datetime
    version: str | None = None
    title: str | None = None
    news: str | None = None

    def __repr__(self) -> str:
        return f"Item({self.local})"


class Known(NamedTuple):
    """What is known of an entry: whether it is the `same` as when it came last, with which run that was, and as what."""

    same: bool
    run: str
    coming: Coming


class Items(Protocol):
    """Implemented by `storage.mongo.sync_items`. Names and digests are keyed hashes there; the rest is
    sealed with the patient's key."""

    def local_id(self, source: Source, name: str) -> str:
        """The id of ours for an entry: always the same, and nobody without the key can tell from it what it is."""
        ...

    async def known(self, source: Source, digests: Sequence[tuple[str, bytes]]) -> dict[str, Known]:
        """Those of these entries (name and digest) that came before, by name."""
        ...

    async def there(self, source: Source, names: Sequence[str]) -> set[str]:
        """Which of these entries have come."""
        ...

    async def keep(self, source: Source, items: Sequence[Item]) -> None:
        """Store them in place of what was known. Raises `Gone` for a patient who was erased."""
        ...

    async def of_run(self, run: str, *, kind: str | None, after: str, count: int) -> Sequence[Item]:
        """What a run took, of one type or all, in the order of our names (`Type/id`) from the first greater than `after`."""
        ...

    async def of_local(self, patient: str, local: str) -> Item | None:
        """What is known of a resource of ours, if it came from a provider; its digest is empty."""
        ...
