"""The reading process: a document on stdin, what was read of it on stdout. Started by `reader`, once per document.

Everything it will need is loaded before it confines itself, since afterwards no file can be opened; only then is the
first byte of the document looked at. What it says is one line of JSON, then the bytes of a preview if one was asked for.
"""

from __future__ import annotations

import sys
from typing import Literal

import msgspec

from api.extraction.confinement import bound, confine
from api.extraction.pages import IMAGES, image_pages, image_thumbnail, pdf_text, pdf_thumbnail
from api.extraction.texts import TEXTS
from fhir_mapping.words import split

MOST_CHARACTERS = 4_000_000
MOST_WORDS = 20_000
LONGEST_WORD = 64
AT_ONCE = 65_536
"""Characters made into words at a time: so many that memory stays small, and cut only at blanks."""


class Task(msgspec.Struct):
    """What to do: `edge` is the size of the preview, 0 for the words."""

    media_type: str
    edge: int
    memory_bytes: int
    cpu_seconds: int


class Said(msgspec.Struct):
    """What was read."""

    state: Literal["read", "unreadable"]
    words: list[str] = []
    pages: int | None = None
    cut: bool = False
    confined: bool = True


def main() -> None:
    task = msgspec.json.decode(sys.argv[1], type=Task)
    _load()
    bound(memory_bytes=task.memory_bytes, cpu_seconds=task.cpu_seconds)
    confined = confine()
    content = sys.stdin.buffer.read()
    preview = b""
    try:
        if task.edge:
            said = Said("read")
            preview = (image_thumbnail if task.media_type in IMAGES else pdf_thumbnail)(content, task.edge)
        else:
            said = read_words(task.media_type, content)
    except (Exception, RecursionError):  # whatever a parser meets: the document is unreadable, and that is all we say
        said = Said("unreadable")
    said.confined = confined
    sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n" + preview)
    sys.stdout.buffer.flush()


def read_words(media_type: str, content: bytes) -> Said:
    pages: int | None = None
    if media_type in IMAGES:
        return Said("read", pages=image_pages(content))
    if media_type == "application/pdf":
        text, pages = pdf_text(content, MOST_CHARACTERS)
    else:
        text = TEXTS[media_type](content)
    words, cut = _words(text[:MOST_CHARACTERS])
    return Said("read", sorted(words), pages, cut or len(text) > MOST_CHARACTERS)


def _words(text: str) -> tuple[set[str], bool]:
    """The distinct words, at most `MOST_WORDS`, and whether there were more."""
    found: set[str] = set()
    pieces, start = " ".join(text.split()), 0
    while start < len(pieces):
        end = len(pieces) if len(pieces) - start <= AT_ONCE else pieces.find(" ", start + AT_ONCE)
        end = len(pieces) if end < 0 else end
        # A date at the start of a text is no word there, but the words after it are.
        words = split(" " + pieces[start:end])
        found.update(word for word in words if len(word) <= LONGEST_WORD and word.isprintable())
        if len(found) > MOST_WORDS:
            return set(sorted(found)[:MOST_WORDS]), True
        start = end + 1
    return found, False


def _load() -> None:
    """Use each reader once, so that all it imports is there before files can no longer be opened."""
    import encodings.cp1252
    import encodings.utf_16
    import encodings.utf_16_le  # noqa: F401

    from PIL import Image
    from pydicom import charset, values  # noqa: F401

    Image.init()
    split("Ångström co-operation")
    for name, sample in _SAMPLES.items():
        TEXTS[name](sample)


_SAMPLES = {
    "text/html": b"<p>a",
    "application/xml": b"<a>b</a>",
    "application/json": b'["a"]',
    "text/rtf": b"{\\rtf a}",
}


if __name__ == "__main__":
    main()
