"""The text of each format that is text at heart. Runs in the reading process only.

Each function takes the whole document and gives its text; what it raises means "unreadable" to the caller.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any
from xml.parsers import expat

from pydicom import dcmread
from pydicom.dataset import Dataset

from api.extraction.rich_text import text_of_rtf

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_TELLING = frozenset({"displayName", "title", "alt", "originalText", "value"})
"""Attributes of C-CDA and HTML in which words stand."""
_DEEPEST = 500
_DICOM_TEXT = frozenset({"LO", "SH", "PN", "ST", "LT", "UT", "UC", "CS", "AE"})


class Unreadable(ValueError):
    """The document is not what its type says, or breaks a rule we insist on."""


def plain(content: bytes) -> str:
    """Text in UTF-8, UTF-16 with a mark, or else Windows-1252."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._silent = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style"):
            self._silent = tag
        self.found += [" ", *(value for name, value in attrs if value and name in _TELLING), " "]

    def handle_endtag(self, tag: str) -> None:
        self._silent = "" if tag == self._silent else self._silent
        self.found.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.found.append(data)


def html(content: bytes) -> str:
    """What a reader would see, without scripts and styles."""
    words = _Words()
    words.feed(plain(content))
    words.close()
    return "".join(words.found)


def xml(content: bytes) -> str:
    """Text and telling attributes of XML, C-CDA among it. A DOCTYPE is refused: entities are how XML is made a weapon."""
    found: list[str] = []
    depth = 0
    parser = expat.ParserCreate()

    def refuse(*_: Any) -> None:
        raise Unreadable("a document type declaration")

    def start(_: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise Unreadable("nested too deep")
        found.extend((" ", *(value for name, value in attributes.items() if name in _TELLING), " "))

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1
        found.append(" ")

    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = found.append
    parser.Parse(content, True)
    return "".join(found)


def json_text(content: bytes) -> str:
    """Every string value."""
    return " ".join(_strings(json.loads(plain(content))))


def _strings(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, str):
            yield each


def dicom(content: bytes) -> str:
    """The text elements of a DICOM file: names, descriptions, comments, report content; never pixels."""
    return " ".join(_elements(dcmread(io.BytesIO(content), stop_before_pixels=True)))


def _elements(dataset: Dataset) -> Iterator[str]:
    for element in dataset.iterall():
        if element.VR in _DICOM_TEXT and element.value:
            values = element.value if element.VM > 1 else [element.value]
            yield from (str(value).replace("^", " ") for value in values)


TEXTS: dict[str, Callable[[bytes], str]] = {
    "text/plain": plain,
    "text/csv": plain,
    "text/markdown": plain,
    "text/rtf": text_of_rtf,
    "text/html": html,
    "application/xhtml+xml": html,
    "application/xml": xml,
    "application/hl7-cda+xml": xml,
    "application/hl7-v3+xml": xml,
    "application/fhir+xml": xml,
    "application/json": json_text,
    "application/fhir+json": json_text,
    "application/dicom": dicom,
}
"""By the essence of the media type (`domain.documents.media_types.essence`)."""
