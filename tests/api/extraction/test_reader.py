"""Reading documents in a process of their own: what is found, and that no document can make it hang, grow or reach out."""

from __future__ import annotations

import asyncio
import io
import os
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from api.extraction.reader import Bounds, DocumentReader
from domain.documents.extracting import Extract
from fhir_mapping.words import split
from tests.deadlines import within


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 50_000):
        yield content[start : start + 50_000]


async def read(content: bytes, media_type: str, bounds: Bounds = Bounds()) -> Extract:
    return await DocumentReader(bounds).extract(pieces(content), media_type)


@pytest.mark.parametrize(
    ("name", "media_type", "word", "pages"),
    [
        ("ccda_1.pdf", "application/pdf", "wishes", 7),
        ("ccda_2.pdf", "application/pdf", "ganglia", 3),
        ("ccda_0.rtf", "application/rtf", "ankles", None),
        ("ccda_3.plain", "text/plain", "agurt", None),
        ("reportsi.dcm", "application/dicom", "container", None),
    ],
)
async def test_words_and_pages_of_the_samples_are_found(
    shared: Path, name: str, media_type: str, word: str, pages: int | None
) -> None:
    found = await read((shared / "data" / "blobs" / name).read_bytes(), media_type)
    assert found.state == "read"
    assert word in found.words
    assert found.pages == pages


@pytest.mark.parametrize(
    ("content", "media_type", "words", "silent"),
    [
        (b"<p title='Tooltip'>Caf&eacute;<script>var hidden</script> b<b>old</b></p>", "text/html", {"cafe"}, {"hidden"}),
        (b"{\\rtf1{\\fonttbl Arial;}{\\*\\x secret}H\\'e4matom \\u8364? na\\u239?ve}", "text/rtf", {"hamatom", "naive"}, {"arial", "secret"}),
        (b"<ClinicalDocument><title>Ulcus</title><code displayName='Fever'/></ClinicalDocument>", "application/hl7-cda+xml", {"ulcus", "fever"}, set()),
        (b'{"note": ["Otitis"], "n": 5}', "application/json", {"otitis"}, {"note"}),
        ("Größe".encode("utf-16"), "text/plain", {"große"}, set()),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)  # fmt: skip
async def test_each_format_gives_its_words_and_no_others(
    content: bytes, media_type: str, words: set[str], silent: set[str]
) -> None:
    found = await read(content, media_type)
    assert {word for each in words for word in split(each)} <= found.words
    assert not silent & found.words


async def test_pictures_have_pages_and_a_preview_without_their_metadata() -> None:
    written = io.BytesIO()
    frames = [Image.new("RGB", (900, 600), shade) for shade in ("red", "green")]
    frames[0].save(written, "TIFF", save_all=True, append_images=frames[1:], software="Canary 5000")
    assert (await read(written.getvalue(), "image/tiff")).pages == 2
    preview = await DocumentReader().thumbnail(pieces(written.getvalue()), "image/tiff", edge=128)
    assert preview is not None
    assert b"Canary" not in preview
    with Image.open(io.BytesIO(preview)) as image:
        assert image.size == (128, 85)
        assert image.getpixel((5, 5)) == (255, 0, 0)


async def test_the_first_page_of_a_pdf_has_a_preview(shared: Path) -> None:
    content = (shared / "data" / "blobs" / "ccda_1.pdf").read_bytes()
    preview = await DocumentReader().thumbnail(pieces(content), "application/pdf", edge=256)
    assert preview is not None
    with Image.open(io.BytesIO(preview)) as image:
        assert max(image.size) == 256
        assert len(image.convert("L").getcolors(256) or ()) > 5


def png_bomb() -> bytes:
    """A picture of 30,000 x 30,000 pixels in 100 KB."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)

    header = (30_000).to_bytes(4) * 2 + bytes((1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(3_751 * 30_000), 9))


BROKEN = {
    "pdf cut off": (b"%PDF-1.7\n1 0 obj\n<<", "application/pdf"),
    "pdf of noise": (b"%PDF-1.4\n" + os.urandom(200_000), "application/pdf"),
    "picture bomb": (png_bomb(), "image/png"),
    "dicom of noise": (bytes(128) + b"DICM" + os.urandom(5_000), "application/dicom"),
    "billion laughs": (b"<!DOCTYPE a [<!ENTITY x 'ha'><!ENTITY y '&x;&x;'>]><a>&y;</a>", "application/xml"),
    "outside entity": (b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>", "application/xml"),
    "deep xml": (b"<a>" * 20_000, "application/xml"),
    "deep json": (b"[" * 200_000, "application/json"),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_a_hostile_document_is_unreadable_and_nothing_worse(what: str) -> None:
    content, media_type = BROKEN[what]
    with within(10):
        found = await read(content, media_type)
    assert found.state == "unreadable" or not found.words - {"x"}, found.words


async def test_deep_rtf_and_endless_html_end() -> None:
    assert (await read(b"{\\rtf1" + b"{" * 500_000 + b"word", "text/rtf")).state == "read"
    assert (await read(b"<p>" * 300_000 + b"word", "text/html")).state in ("read", "unreadable")


async def test_words_are_cut_at_a_stated_number() -> None:
    text = " ".join(f"w{number:06}" for number in range(60_000)).encode()
    found = await read(text, "text/plain")
    assert found.cut
    assert len(found.words) == 20_000


async def test_a_reader_out_of_memory_costs_only_its_document() -> None:
    bounds = Bounds(memory_bytes=300 * 1024 * 1024)
    found = await read(b"[" + b"[]," * 8_000_000 + b"0]", "application/json", bounds)
    assert found.state == "unreadable"


async def test_a_reader_that_hangs_is_killed() -> None:
    async def never() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.sleep(60)

    with within(3):
        found = await DocumentReader(Bounds(seconds=1.0)).extract(never(), "text/plain")
    assert found.state == "timeout"


async def test_a_document_over_the_limit_is_not_read_to_its_end() -> None:
    found = await read(b"word " * 100_000, "text/plain", Bounds(largest=100_000))
    assert found.state == "too-large"


async def test_who_would_wait_too_long_is_told_so() -> None:
    async def slow() -> AsyncIterator[bytes]:
        await asyncio.sleep(1)
        yield b"word"

    reader = DocumentReader(Bounds(at_once=1, patience_seconds=0.2))
    first = asyncio.create_task(reader.extract(slow(), "text/csv"))
    await asyncio.sleep(0.1)
    assert (await reader.extract(pieces(b"word"), "text/csv")).state == "busy"
    assert (await first).words == {"word", "wor~"} or (await first).words == {"word"}
