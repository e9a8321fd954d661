"""The printed prescription: opens, says everything, hides nothing that cannot be printed, leaves no file."""

from __future__ import annotations

import builtins
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pypdfium2 import PdfDocument

from api.printing.prescriptions import printed
from domain.clinic.drug_interactions import Medication
from domain.clinic.prescription_cards import PrescriptionCard
from domain.clinic.prescription_sheets import Sheet

NOW = datetime(2026, 3, 1, 10, 30, tzinfo=UTC)
CARD = PrescriptionCard(
    id="p-1",
    version=2,
    updated_at=NOW,
    patient_id="1",
    medication=Medication("Simvastatin 20 mg", "36567"),
    status="ACTIVE",
    dosage="1 tablet in the evening",
    instructions="With water & <food>\nNo grapefruit",
    refills=3,
    refills_remaining=2,
    date_issued=NOW,
)
SHEET = Sheet(CARD, ("Ana Lindqvist", "Born 1980-02-03"), ("Dr. Mira Okonkwo", "MD"), ("Corner Pharmacy",), NOW)


def text_of(page: bytes) -> str:
    document = PdfDocument(page)
    assert len(document) == 1
    return " ".join(document[0].get_textpage().get_text_range().split())


def test_everything_is_on_one_page() -> None:
    text = text_of(printed(SHEET))
    for said in (
        *(
            "Ana Lindqvist",
            "Born 1980-02-03",
            "Dr. Mira Okonkwo",
            "Corner Pharmacy",
            "Simvastatin 20 mg (RxNorm 36567)",
        ),
        *("1 tablet in the evening", "With water & <food>", "No grapefruit", "2 of 3 left", "2026-03-01", "No. p-1"),
    ):
        assert said in text, said
    assert "not valid" not in text


@pytest.mark.parametrize(
    "status", ["DRAFT", "STOPPED", "CANCELLED", "COMPLETED", "ON_HOLD", "ENTERED_IN_ERROR", "UNKNOWN"]
)
def test_what_is_not_in_force_says_so(status: str) -> None:
    card = msgspec.structs.replace(CARD, status=status)
    assert "not valid" in text_of(printed(msgspec.structs.replace(SHEET, card=card)))


@pytest.mark.parametrize("name", ["Žofie Dvořáková", "Ιωάννα Παππά", "Олександра Шевченко", "Nguyễn Thị Ánh"])
def test_names_of_many_scripts_are_printed_as_they_are(name: str) -> None:
    text = text_of(printed(msgspec.structs.replace(SHEET, patient=(name,))))
    assert name in text
    assert "cannot be printed" not in text


@pytest.mark.parametrize("name", ["王小明", "فاطمة", "שרה"])
def test_a_name_that_cannot_be_printed_is_pointed_out(name: str) -> None:
    assert "cannot be printed" in text_of(printed(msgspec.structs.replace(SHEET, patient=(name,))))


def test_the_properties_of_the_file_name_nobody() -> None:
    properties = PdfDocument(printed(SHEET)).get_metadata_dict()
    assert properties["Title"] == "Prescription"
    assert not [value for value in properties.values() if "Lindqvist" in str(value) or "Simvastatin" in str(value)]


def test_nothing_is_written_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    printed(SHEET)  # the fonts are read once
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    opened: list[Any] = []
    really = builtins.open

    def noting(*given: Any, **more: Any) -> Any:
        opened.append(given)
        return really(*given, **more)

    monkeypatch.setattr(builtins, "open", noting)
    printed(SHEET)
    assert (list(tmp_path.iterdir()), opened) == ([], [])


def test_a_very_long_text_goes_on_on_the_next_page() -> None:
    card = msgspec.structs.replace(CARD, instructions="Take it. " * 1_000)
    assert len(PdfDocument(printed(msgspec.structs.replace(SHEET, card=card)))) > 1
