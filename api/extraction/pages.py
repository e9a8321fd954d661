"""Words, page counts and previews of what has pages: PDF by PDFium, pictures by Pillow. Runs in the reading process only.

PDFium rather than a parser in Python: it is what a browser opens the same file with, is fuzzed around the clock, and
reads our samples six times faster (DECISIONS.md).
"""

from __future__ import annotations

import io

import pypdfium2
from PIL import Image

MOST_PAGES = 3_000
"""Pages of which the words are read."""
MOST_PIXELS = 60_000_000
IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/tiff", "image/webp", "image/bmp"})
_FORMATS = ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP")
Image.MAX_IMAGE_PIXELS = MOST_PIXELS


def pdf_text(content: bytes, most_characters: int) -> tuple[str, int]:
    """The text of a PDF, up to a number of characters, and how many pages it has."""
    document = pypdfium2.PdfDocument(content)
    found: list[str] = []
    size, pages = 0, len(document)
    for number in range(min(pages, MOST_PAGES)):
        page = document[number]
        text = page.get_textpage().get_text_bounded()
        found.append(text)
        size += len(text)
        page.close()
        if size > most_characters:
            break
    return "\n".join(found), pages


def image_pages(content: bytes) -> int:
    """The frames of a picture; only TIFF and GIF have more than one."""
    with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
        return int(getattr(image, "n_frames", 1))


def pdf_thumbnail(content: bytes, edge: int) -> bytes:
    """The first page as PNG."""
    page = pypdfium2.PdfDocument(content)[0]
    width, height = page.get_size()
    scale = edge / max(width, height, 1.0)
    return _png(page.render(scale=scale, may_draw_forms=False).to_pil(), edge)


def image_thumbnail(content: bytes, edge: int) -> bytes:
    """The picture, smaller, as PNG without what its camera said about it."""
    with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError("too many pixels")
        image.draft("RGB", (edge, edge))
        return _png(image.convert("RGB"), edge)


def _png(image: Image.Image, edge: int) -> bytes:
    image.thumbnail((edge, edge))
    plain = Image.new("RGB", image.size, "white")
    plain.paste(image)
    written = io.BytesIO()
    plain.save(written, "PNG", optimize=False)
    return written.getvalue()
