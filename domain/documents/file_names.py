"""File names in HTTP headers: https://www.rfc-editor.org/rfc/rfc6266, https://www.rfc-editor.org/rfc/rfc5987

A title is a person's text: it may hold quotes, line ends, slashes, any script. The header gets an ASCII form that can
break out of nothing, and beside it the exact name percent-encoded. The name is never a path here or with the client.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

LONGEST = 150
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u2028\u2029\u202a-\u202e\u2066-\u2069]+')
_EXTENSIONS = {
    "application/pdf": ".pdf", "application/dicom": ".dcm", "text/rtf": ".rtf", "application/rtf": ".rtf",
    "text/plain": ".txt", "text/html": ".html", "text/csv": ".csv", "application/xml": ".xml", "text/xml": ".xml",
    "application/hl7-cda+xml": ".xml", "application/json": ".json", "image/png": ".png", "image/jpeg": ".jpg",
    "image/gif": ".gif", "image/tiff": ".tif", "image/webp": ".webp", "application/zip": ".zip",
}  # fmt: skip


def file_name(title: str | None, media_type: str, fallback: str) -> str:
    """A name for a saved document: its title without what file systems and terminals take amiss, with an extension."""
    name = _FORBIDDEN.sub(" ", unicodedata.normalize("NFC", title or ""))
    name = " ".join(name.split()).strip(". ")[:LONGEST].rstrip() or fallback
    extension = _EXTENSIONS.get(media_type.partition(";")[0].strip().lower(), "")
    return name if not extension or "." in name[-6:] else name + extension


def content_disposition(name: str, *, inline: bool) -> str:
    """The header for a download (or to show in place) under this name; ASCII whatever the name is."""
    kind = "inline" if inline else "attachment"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9 ._()+,=@-]", "_", plain).strip() or "document"
    header = f'{kind}; filename="{plain}"'
    return header if plain == name else f"{header}; filename*=UTF-8''{quote(name, safe='')}"
