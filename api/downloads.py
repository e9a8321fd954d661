"""Documents on their way to a client: parts of them, and the headers that keep a browser from running them.

Ranges: https://www.rfc-editor.org/rfc/rfc9110#name-range-requests. A blob never changes, so its id is a strong validator.
What is safe to show is shown in a sandbox without any source; everything else is a download, whatever it claims to be.
"""

from __future__ import annotations

import re

from domain.blobs import Blob, Span
from domain.documents.file_names import content_disposition, file_name
from domain.documents.media_types import SAFE_INLINE, essence

SANDBOX = "sandbox; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})", re.I)


class Unsatisfiable(Exception):
    """416: the range begins behind the end."""


def part_asked(asked: str | None, only_if: str | None, *, size: int, tag: str) -> Span | None:
    """The part a Range header asks for; `None` for all of it: no range, several of them, another unit, or If-Range names
    another version. Raises `Unsatisfiable`."""
    found = _RANGE.fullmatch(asked.strip()) if asked is not None else None
    if found is None or (only_if is not None and only_if.strip() != tag):
        return None
    first, last = found[1], found[2]
    if first:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return None
    elif last:
        start, end = max(size - int(last), 0), size
    else:
        return None
    if start >= size or start >= end:
        raise Unsatisfiable
    return Span(start, end)


def tag_of(blob: Blob) -> str:
    """The strong ETag of a document's bytes."""
    return f'"{blob.id}"'


def safety_headers(media_type: str, title: str | None) -> dict[str, str]:
    """What a document is sent with besides its length and tag (`nosniff` is on every answer)."""
    name = file_name(title, media_type, "document")
    return {
        "content-type": media_type,
        "content-disposition": content_disposition(name, inline=essence(media_type) in SAFE_INLINE),
        "content-security-policy": SANDBOX,
        "cross-origin-resource-policy": "same-origin",
    }
