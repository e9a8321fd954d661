"""Claims, cells and receipts in memory: what conditional writes, bookings and repeated requests depend on."""

from __future__ import annotations

from collections.abc import Sequence

from domain.cells import Held
from domain.errors import Contention
from domain.revision import Receipt, Write


class MemoryConditions:
    """Part of `storage.memory.revisions.MemoryRevisionStore`."""

    def __init__(self) -> None:
        self._claims: dict[str, int] = {}
        self._cells: dict[str, Held] = {}
        self._receipts: dict[str, Receipt] = {}

    def claim(self, names: Sequence[str]) -> list[int]:
        """How many writes relied on each condition."""
        return [self._claims.get(name, 0) for name in names]

    def held(self, names: Sequence[str]) -> list[Held]:
        """Who holds each cell."""
        return [self._cells.get(name, Held()) for name in names]

    def receipt(self, name: str) -> Receipt | None:
        """The kept answer of that name."""
        return self._receipts.get(name)

    def require(self, write: Write) -> None:
        """Raise `Contention` unless everything is as the writer saw it."""
        if any(self._claims.get(claim.name, 0) != claim.seen for claim in write.claims):
            raise Contention("Another request relied on the same condition and was faster")
        if any(self._cells.get(cell.name, Held()).seen != cell.seen for cell in write.cells):
            raise Contention("Somebody else booked or released one of these cells and was faster")
        if write.receipt is not None and write.receipt.name in self._receipts:
            raise Contention("Another request used the same key and was faster")

    def store(self, write: Write) -> None:
        """Count what the write relied on, book and release, keep its receipt."""
        for claim in write.claims:
            self._claims[claim.name] = claim.seen + 1
        for cell in write.cells:
            self._cells[cell.name] = Held(cell.seen + 1, cell.holder, cell.until)
        if write.receipt is not None:
            self._receipts[write.receipt.name] = write.receipt
