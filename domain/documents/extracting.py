"""What is read out of a document so that it can be found and previewed; the port of the reader.

A document comes from anybody and its formats are intricate, so reading is done elsewhere, in a process that can do no
harm (`api/extraction`). That nothing could be read is a state of a document, never a failure of its upload.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal, Protocol, TypeAlias

import msgspec

ReadState: TypeAlias = Literal["read", "nothing", "too-large", "unreadable", "timeout", "busy"]
"""`nothing`: not a type whose words or pages can be read."""


class Extract(msgspec.Struct, frozen=True):
    """The distinct `words` of a document as searches compare them, and how many `pages` it has, where it has pages.

    `cut`: there were more words than are kept.
    """

    state: ReadState
    words: frozenset[str] = frozenset()
    pages: int | None = None
    cut: bool = False

    def __repr__(self) -> str:
        return f"Extract({self.state}, {len(self.words)} words)"


class ReadDocuments(Protocol):
    """Reads documents. Implemented by `api.extraction.reader`."""

    def reads(self, media_type: str, size: int) -> bool:
        """Whether there is a point in handing over a document of this type (its essence) and size in bytes."""
        ...

    async def extract(self, content: AsyncIterator[bytes], media_type: str) -> Extract:
        """Words and pages. Never raises for what the document is, and ends within a stated time."""
        ...

    async def thumbnail(self, content: AsyncIterator[bytes], media_type: str, *, edge: int) -> bytes | None:
        """A PNG of the first page or of the picture, at most `edge` pixels wide and high; `None` when there is none."""
        ...
