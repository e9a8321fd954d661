"""What is declared against what the bytes are: kept, filled in, or refused, never corrected in silence."""

from __future__ import annotations

import pytest

from domain.documents.media_types import MediaRules, essence, parse_media_type, settled
from domain.errors import UnsupportedMedia

ANY = MediaRules()
PNG, PDF, ZIP, HTML = b"\x89PNG\r\n\x1a\n", b"%PDF-1.4 test", b"PK\x03\x04", b"<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("declared", "head", "kept"),
    [
        ("application/pdf", PDF, "application/pdf"),
        (None, PDF, "application/pdf"),
        ("application/octet-stream", PNG, "image/png"),
        ("application/octet-stream", b"\0\1\2", "application/octet-stream"),
        ("text/plain; charset=utf-8", b"hello", "text/plain; charset=utf-8"),
        ("application/rtf", b"{\\rtf1", "application/rtf"),
        ("image/jpg", b"\xff\xd8\xff\xe0", "image/jpg"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", ZIP, None),
        ("application/msword", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", None),
        ("text/csv", b"a,b\n1,2", "text/csv"),
        ("text/html", HTML, "text/html"),
        ("text/plain", HTML, "text/plain"),
        ("application/hl7-sda+xml", b"<?xml version='1.0'?><a/>", "application/hl7-sda+xml"),
        ("text/xml", b"<ClinicalDocument xmlns='urn:hl7-org:v3'>", "text/xml"),
        ("application/x-own-format", b"\0\1\2\3", "application/x-own-format"),
        ("application/pdf", b"", "application/pdf"),
    ],
)
def test_what_the_bytes_can_be_is_kept(declared: str | None, head: bytes, kept: str | None) -> None:
    assert settled(declared, head, ANY) == (kept or declared)


@pytest.mark.parametrize(
    ("declared", "head"),
    [
        ("application/pdf", PNG),
        ("application/pdf", HTML),
        ("application/pdf", b"\0\1\2\3"),
        ("image/png", HTML),
        ("image/png", PDF),
        ("text/plain", PNG),
        ("application/json", HTML),
        ("image/svg+xml", HTML),
        ("application/pdf", b"just text"),
        ("application/dicom", b"\0" * 200),
        ("text/plain", b"\x7fELF\x02"),
        (None, b"MZ\x90\0\x03"),
        ("application/octet-stream", b"#!/bin/sh"),
        ("pdf", PDF),
        ("text/plain\r\nx: y", b"a"),
        ("text/plain; charset", b"a"),
        ("text/" + "a" * 300, b"a"),
    ],
)
def test_a_document_that_is_something_else_is_refused(declared: str | None, head: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        settled(declared, head, ANY)


def test_only_allowed_types_are_stored_whoever_named_them() -> None:
    rules = MediaRules(allowed=("application/pdf", "image/*"))
    assert settled("application/pdf", PDF, rules) == "application/pdf"
    assert settled(None, PNG, rules) == "image/png"
    with pytest.raises(UnsupportedMedia):
        settled("text/html", HTML, rules)
    with pytest.raises(UnsupportedMedia):
        settled("application/octet-stream", HTML, rules)


def test_a_type_has_one_name() -> None:
    assert essence("Image/JPG; q=1") == "image/jpeg"
    assert parse_media_type(' text/plain; charset="utf-8"') == 'text/plain; charset="utf-8"'
