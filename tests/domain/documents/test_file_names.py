"""https://www.rfc-editor.org/rfc/rfc6266: a name can never end the header it stands in, nor leave its folder."""

from __future__ import annotations

from email.message import Message
from urllib.parse import unquote

import pytest

from domain.documents.file_names import content_disposition, file_name

HOSTILE = [
    'a"; filename="evil.exe',
    "a\r\nSet-Cookie: x=1",
    "../../etc/passwd",
    "..\\..\\boot.ini",
    "%2e%2e%2f",
    "\u202egnp.exe",
    "CON:aux",
    "",
    "   ...  ",
    "\u0000\u0007",
    "x" * 5_000,
]


@pytest.mark.parametrize("title", HOSTILE, ids=lambda title: repr(title[:12]))
def test_a_hostile_title_becomes_a_harmless_name(title: str) -> None:
    name = file_name(title, "application/pdf", "document")
    header = content_disposition(name, inline=False)
    assert header.isascii()
    assert not set(header) & set("\r\n\\\0")
    assert header.count('"') == 2
    assert "/" not in name
    assert len(name) < 160
    assert not name.startswith(".")
    assert name.isprintable()


def test_the_exact_name_survives_beside_an_ascii_one() -> None:
    name = file_name("Befund Müller 北京", "application/pdf", "document")
    header = content_disposition(name, inline=True)
    read = Message()
    read["content-disposition"] = header
    assert read.get_content_disposition() == "inline"
    assert unquote(header.partition("UTF-8''")[2]) == "Befund Müller 北京.pdf"


def test_a_document_without_a_title_is_named_after_its_type() -> None:
    assert file_name(None, "application/dicom", "document") == "document.dcm"
    assert file_name("scan.pdf", "application/pdf", "document") == "scan.pdf"
    assert content_disposition("scan.pdf", inline=False) == 'attachment; filename="scan.pdf"'
