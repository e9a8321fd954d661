"""Whether a document carries malware, as far as anybody looked; the port of the scanner.

What was found is a state of the document that everybody sees; an infected one is kept, because it is evidence and the
record would lie without it, and its bytes are given to nobody.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal, Protocol, TypeAlias

ScanState: TypeAlias = Literal["clean", "infected", "not-scanned"]


class ScanDocuments(Protocol):
    """Implemented by `api.scanner` (clamd), and by `NoScanner`."""

    async def scan(self, content: AsyncIterator[bytes], size: int) -> ScanState:
        """Look through a document. Never raises for what it is, nor because the scanner is away: then it is `not-scanned`.
        Ends within a stated time."""
        ...


class NoScanner:
    """Nobody looks."""

    async def scan(self, content: AsyncIterator[bytes], size: int) -> ScanState:
        return "not-scanned"
