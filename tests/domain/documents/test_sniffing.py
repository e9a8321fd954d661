"""https://mimesniff.spec.whatwg.org, and what we insist on beyond it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from domain.documents.sniffing import HEAD, sniff

CASES = {
    b"\0" * 128 + b"DICM": "application/dicom",
    b"%PDF-1.4" + b"\0" * 120 + b"DICM": "application/dicom",
    b"junk first\n%PDF-1.7\n": "application/pdf",
    b"\x89PNG\r\n\x1a\n....": "image/png",
    b"RIFF\0\0\0\0WEBPVP8 ": "image/webp",
    b"RIFF\0\0\0\0WAVEfmt ": "audio/wav",
    b"\0\0\0\x18ftypisom": "video/mp4",
    b"PK\x03\x04\x14\0": "application/zip",
    b"{\\rtf1\\ansi": "text/rtf",
    b"\x7fELF\x02\x01": "application/x-executable",
    b"#!/bin/sh\nrm": "application/x-shellscript",
    b" \n<!-- c --><ScRiPt>alert(1)</script>": "text/html",
    b"<!DOCTYPE html><title>": "text/html",
    b"<?xml version='1.0'?><svg xmlns='x'>": "image/svg+xml",
    b"<!-- a --><svg onload=x>": "image/svg+xml",
    b"<?xml version='1.0'?><!-- x --><ClinicalDocument xmlns='urn:hl7-org:v3'>": "application/hl7-cda+xml",
    b"\xef\xbb\xbf<?xml version='1.0'?><root/>": "application/xml",
    b'{"resourceType": "Patient"}': "application/json",
    b"[1, 2]": "application/json",
    b"{ not json": "text/plain",
    "Größe: 5 mm".encode(): "text/plain",
    "Größe: 5 mm".encode("cp1252"): "text/plain",
    "Größe".encode("utf-16"): "text/plain",
    b"": None,
    b"\x00\x01\x02\x03": None,
}


@pytest.mark.parametrize("head", CASES, ids=lambda head: repr(head[:20]))
def test_the_first_bytes_tell(head: bytes) -> None:
    assert sniff(head) == CASES[head]


def test_a_character_cut_in_two_does_not_make_text_binary() -> None:
    assert sniff(("a" * (HEAD - 1) + "ö" + "a").encode()) == "text/plain"


def test_the_sample_documents_are_what_their_names_say(shared: Path) -> None:
    kinds = {"dcm": "application/dicom", "pdf": "application/pdf", "rtf": "text/rtf", "plain": "text/plain"}
    for path in (shared / "data" / "blobs").iterdir():
        assert sniff(path.read_bytes()) == kinds[path.suffix[1:]]


def test_any_bytes_at_all_are_looked_at_without_failing() -> None:
    chance = random.Random(5)
    for _ in range(2_000):
        sniff(chance.randbytes(chance.randrange(300)))
