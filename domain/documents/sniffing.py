"""What a document is, by its first bytes: https://mimesniff.spec.whatwg.org

A browser that is lied to about a type may run what it was given to show. So the first bytes decide: signatures first (a
DICOM file has its own only at offset 128, after anything at all), then the shapes of text. Zip is recognised, never
unpacked: what is in one is its declared type's business.
"""

from __future__ import annotations

import re
from typing import NamedTuple

HEAD = 4_096
"""Bytes that are looked at; enough for every rule here."""


class Signature(NamedTuple):
    """`magic` at `offset` (and `second` at `at`) is a file of this type."""

    media_type: str
    magic: bytes
    offset: int = 0
    second: bytes = b""
    at: int = 0


SIGNATURES = (
    Signature("application/dicom", b"DICM", 128),
    Signature("image/png", b"\x89PNG\r\n\x1a\n"),
    Signature("image/jpeg", b"\xff\xd8\xff"),
    Signature("image/gif", b"GIF87a"),
    Signature("image/gif", b"GIF89a"),
    Signature("image/tiff", b"II*\0"),
    Signature("image/tiff", b"MM\0*"),
    Signature("image/bmp", b"BM", 0, b"\0\0\0\0", 6),
    Signature("image/webp", b"RIFF", 0, b"WEBP", 8),
    Signature("audio/wav", b"RIFF", 0, b"WAVE", 8),
    Signature("video/avi", b"RIFF", 0, b"AVI ", 8),
    Signature("image/heic", b"ftyphei", 4),
    Signature("image/avif", b"ftypavif", 4),
    Signature("audio/mp4", b"ftypM4A", 4),
    Signature("video/mp4", b"ftyp", 4),
    Signature("video/webm", b"\x1aE\xdf\xa3"),
    Signature("audio/mpeg", b"ID3"),
    Signature("audio/flac", b"fLaC"),
    Signature("application/ogg", b"OggS"),
    Signature("image/jp2", b"\0\0\0\x0cjP  \r\n\x87\n"),
    Signature("text/rtf", b"{\\rtf"),
    Signature("application/zip", b"PK\x03\x04"),
    Signature("application/zip", b"PK\x05\x06"),
    Signature("application/gzip", b"\x1f\x8b"),
    Signature("application/x-7z-compressed", b"7z\xbc\xaf\x27\x1c"),
    Signature("application/x-rar", b"Rar!\x1a\x07"),
    Signature("application/x-ole-storage", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    Signature("application/x-executable", b"\x7fELF"),
    Signature("application/x-executable", b"MZ", 0, b"\0", 3),
    Signature("application/x-executable", b"\xcf\xfa\xed\xfe"),
    Signature("application/x-executable", b"\xca\xfe\xba\xbe"),
    Signature("application/x-shellscript", b"#!"),
)
PDF_WITHIN = 1_024
"""Readers accept junk in front of `%PDF-`, up to here."""
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_HTML = re.compile(
    r"<(?:!doctype\s+html|html|head|body|script|iframe|h1|div|font|table|style|title|p|a|b|br|object|embed|form|meta|link"
    r"|base|img|input|button|video|audio|template|math|frameset)\b",
    re.I,
)
_XML = re.compile(r"<(?:\?xml\b|!doctype\b|(?:[A-Za-z_][\w.-]{0,99}:)?([A-Za-z_][\w.-]{0,99})[\s/>])", re.I)
_ROOT = re.compile(r"<(?:[A-Za-z_][\w.-]{0,99}:)?([A-Za-z_][\w.-]{0,99})")
_SKIPPED = (("<!--", "-->"), ("<?", "?>"), ("<!", ">"))
_BINARY = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def sniff(head: bytes) -> str | None:
    """The media type of a document that begins with `head` (at most `HEAD` bytes of it); `None` when nothing tells.

    `text/plain` is what holds no control characters and is no markup; `application/zip` and `application/x-ole-storage`
    stand for all formats that are kept in such a container.
    """
    head = head[:HEAD]
    for each in SIGNATURES:
        if head.startswith(each.magic, each.offset) and head.startswith(each.second, each.at):
            return each.media_type
    if b"%PDF-" in head[:PDF_WITHIN]:
        return "application/pdf"
    if head[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"):
        return "audio/mpeg"
    text = _text(head)
    return None if text is None else _text_type(text)


def _text(head: bytes) -> str | None:
    """`head` as text, a character cut in two at its end left out; `None` when it is not text."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return head[len(mark) :].decode(encoding, errors="ignore")
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        # Windows-1252 has every byte but five; only the end of what we look at may be a half character.
        text = head[: error.start].decode() if error.start >= len(head) - 3 else head.decode("cp1252", errors="replace")
    return None if not text or _BINARY.search(text) or "\ufffd" in text else text


def _text_type(text: str) -> str:
    start = _after(text, _SKIPPED[:1])
    if _HTML.match(text, start):
        return "text/html"
    if _XML.match(text, start):
        root = _ROOT.match(text, _after(text, _SKIPPED))
        return _XML_ROOTS.get(root[1].lower() if root else "", "application/xml")
    stripped = text.lstrip()
    if stripped[:1] in ("{", "[") and re.match(r'\{\s*(?:"|\})|\[\s*(?:[\[{"\d\]-]|true|false|null)', stripped):
        return "application/json"
    return "text/plain"


def _after(text: str, skipped: tuple[tuple[str, str], ...]) -> int:
    """Where the first thing begins that is no blank and none of these. One pass: an expression that does the same takes
    exponential time for a document of nothing but comments."""
    at = len(text) - len(text.lstrip())
    while True:
        close = next((close for start, close in skipped if text.startswith(start, at)), None)
        found = -1 if close is None else text.find(close, at)
        if close is None or found < 0:
            return at
        rest = text[found + len(close) :].lstrip()
        at = len(text) - len(rest)


_XML_ROOTS = {"html": "application/xhtml+xml", "svg": "image/svg+xml", "clinicaldocument": "application/hl7-cda+xml"}
