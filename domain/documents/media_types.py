"""Which media type a document is kept and shown under: what was declared, held against what its bytes say.

https://www.rfc-editor.org/rfc/rfc6838. The decision (DECISIONS.md): a declared type stands when the bytes can be that; it
is filled in when nothing was declared (`application/octet-stream` declares nothing); everything else is refused. A wrong
type is never corrected in silence: a signature or a hash over the sender's metadata would no longer fit.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from domain.documents.sniffing import sniff
from domain.errors import UnsupportedMedia

UNKNOWN = "application/octet-stream"
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_PARAMETER = re.compile(
    r';\s*[A-Za-z0-9!#$&^_.+-]{1,64}\s*=\s*(?:[A-Za-z0-9!#$&^_.+-]{1,128}|"[ -!#-\[\]-~]{0,128}")\s*'
)

REFUSED = frozenset({"application/x-executable", "application/x-shellscript"})
"""Never stored, whatever it was declared to be or allowed by setting."""
SAFE_INLINE = frozenset({"application/pdf", "image/png", "image/jpeg", "image/gif", "image/webp", "text/plain"})
"""What a browser may show in place, in a sandbox; everything else is a download. SVG and HTML run scripts."""
_ALIASES = {
    "application/x-pdf": "application/pdf",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "application/rtf": "text/rtf",
    "application/x-rtf": "text/rtf",
    "text/richtext": "text/rtf",
    "application/dicom+octet-stream": "application/dicom",
    "image/dicom": "application/dicom",
    "application/xhtml": "application/xhtml+xml",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/mp3": "audio/mpeg",
    "application/x-zip-compressed": "application/zip",
    "application/x-gzip": "application/gzip",
    "text/xml": "application/xml",
    "image/heif": "image/heic",
}
_CONTAINERS = {"application/zip": re.compile(
    r"application/(?:zip|epub\+zip|java-archive|vnd\.(?:openxmlformats-officedocument|oasis\.opendocument|ms-\w+)[\w.+-]*"
    r"|x-[\w.-]*zip[\w.-]*|[\w.-]+\+zip)"),
    "application/x-ole-storage": re.compile(r"application/(?:msword|vnd\.ms-[\w.-]+|x-ole-storage|vnd\.visio)"),
    "application/gzip": re.compile(r"application/(?:gzip|[\w.-]+\+gzip|x-tar\+gzip)"),
    "application/ogg": re.compile(r"(?:application|audio|video)/ogg"),
    "video/mp4": re.compile(r"(?:video|audio)/(?:mp4|quicktime|3gpp2?|x-m4[av])|video/x-m4v"),
    "audio/mp4": re.compile(r"audio/(?:mp4|x-m4a|aac)"),
    "video/webm": re.compile(r"(?:video|audio)/(?:webm|x-matroska)"),
    "image/tiff": re.compile(r"image/(?:tiff|x-[\w.-]+|dng)"),
    "video/avi": re.compile(r"video/(?:avi|x-msvideo|vnd\.avi)"),
}  # fmt: skip
"""Signatures that many types share."""
_SIGNED = re.compile(
    r"application/(?:pdf|zip|gzip|dicom|msword|vnd\.(?:ms-|openxmlformats|oasis).*)|image/(?!svg).*|audio/.*|video/.*|text/rtf"
)
"""Types with a signature of their own, or whose formats all have one: bytes without any are something else."""


class MediaRules(NamedTuple):
    """What may be stored: `allowed` types, `image/*` for a family, `*/*` for all; `largest` is the size in bytes."""

    allowed: Collection[str] = ("*/*",)
    largest: int = 5 * 1024**3

    def permits(self, media_type: str) -> bool:
        family = f"{media_type.partition('/')[0]}/*"
        return not {media_type, family, "*/*"}.isdisjoint(self.allowed)


def essence(declared: str) -> str:
    """The media type alone, lower-case, under its registered name: `image/jpg; q=1` is `image/jpeg`."""
    plain = declared.partition(";")[0].strip().lower()
    return _ALIASES.get(plain, plain)


def parse_media_type(declared: str) -> str:
    """`declared` when it is a media type with well-formed parameters, else raise `UnsupportedMedia`."""
    head, semicolon, tail = declared.partition(";")
    if _MEDIA_TYPE.fullmatch(head.strip().lower()) is None:
        raise UnsupportedMedia("The content type is not a media type", code="value")
    if _PARAMETER.sub("", semicolon + tail).strip() or len(declared) > 255:
        raise UnsupportedMedia("The parameters of the content type cannot be read", code="value")
    return declared.strip()


def settled(declared: str | None, head: bytes, rules: MediaRules) -> str:
    """The type a document is kept under: the declared one, or what its bytes say when none was.

    `head` are its first `sniffing.HEAD` bytes. Raises `UnsupportedMedia` when the bytes are something else, when they are a
    program, or when the type is not allowed here.
    """
    seen = sniff(head)
    if seen in REFUSED:
        raise UnsupportedMedia("The document is a program; these are not stored")
    given = parse_media_type(declared) if declared else UNKNOWN
    plain = essence(given)
    if plain == UNKNOWN:
        given = plain = seen or UNKNOWN
    elif head and not fits(plain, seen):
        raise UnsupportedMedia(f"The document is declared as {plain[:64]}, its bytes are {seen or 'of no known type'}")
    if not rules.permits(plain):
        raise UnsupportedMedia(f"Documents of type {plain[:64]} are not accepted here")
    return given


def fits(declared: str, seen: str | None) -> bool:
    """Whether bytes that look like `seen` can be of the declared type (its essence)."""
    if seen is None:
        # Nothing telling: only a type that always has a signature is contradicted by that.
        return _SIGNED.fullmatch(declared) is None or declared in _UNSIGNED_TOO
    seen = _ALIASES.get(seen, seen)
    if declared == seen:
        return True
    container = _CONTAINERS.get(seen)
    if container is not None:
        return container.fullmatch(declared) is not None
    if seen in _TEXTUAL:
        return _SIGNED.fullmatch(declared) is None and _textual_fits(declared, seen)
    return False


_TEXTUAL = frozenset({
    "text/plain", "text/html", "application/xml", "application/json", "application/xhtml+xml", "image/svg+xml",
    "application/hl7-cda+xml",
})  # fmt: skip
_UNSIGNED_TOO = frozenset({"image/x-icon", "audio/mpeg", "audio/basic", "image/x-portable-pixmap"})
"""Have one in most files only."""
_ACTIVE = frozenset({"text/html", "application/xhtml+xml", "image/svg+xml"})


def _textual_fits(declared: str, seen: str) -> bool:
    """Text may be of any textual type; what a browser would run must be declared as such, or as text, or as XML."""
    if "image/svg+xml" in (declared, seen):
        return {declared, seen} <= {"image/svg+xml", "application/xml", "text/plain"} and seen != "text/plain"
    return seen not in _ACTIVE or declared in _ACTIVE or declared.startswith("text/") or declared.endswith("xml")
