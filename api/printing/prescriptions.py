"""A prescription on paper: one clean page of A4, made in memory.

Nothing is written to disk, and nothing of a person stands in the document's properties. Letters are embedded (DejaVu Sans:
Latin, Greek, Cyrillic and more); a character that the font does not have is printed as a replacement, and the page says so:
a name must not silently read as another. One that is not in force says so in large letters.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from importlib import resources

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, HRFlowable, Paragraph, SimpleDocTemplate, Spacer, Table

from domain.clinic.prescription_cards import PrescriptionCard
from domain.clinic.prescription_sheets import Sheet
from domain.revision import instant

_PLAIN, _BOLD = "DejaVuSans", "DejaVuSans-Bold"
_MISSING = "\N{REPLACEMENT CHARACTER}"
_GREY = HexColor("#555555")
_WARNING = "Some characters of this prescription cannot be printed here. Read the record itself."
_SENTENCES = {
    "DRAFT": "DRAFT - not valid",
    "ON_HOLD": "ON HOLD - not valid for now",
    "COMPLETED": "COMPLETED - not valid any more",
    "STOPPED": "STOPPED - not valid any more",
    "CANCELLED": "CANCELLED - not valid",
    "ENTERED_IN_ERROR": "ENTERED IN ERROR - not valid",
    "UNKNOWN": "Status unknown - not valid",
}


def printed(sheet: Sheet) -> bytes:
    """The PDF of a prescription. Takes some milliseconds: call it in a thread."""
    _fonts()
    page = io.BytesIO()
    margin = 22 * mm
    document = SimpleDocTemplate(
        page,
        pagesize=A4,
        leftMargin=margin,
        rightMargin=margin,
        topMargin=margin,
        bottomMargin=margin,
        title="Prescription",
        author="Chartvault",
        lang="en",
    )
    document.build(list(_flow(sheet)))
    return page.getvalue()


def _flow(sheet: Sheet) -> Iterator[Flowable]:
    texts = _Texts()
    card = sheet.card
    yield texts.line("Prescription", size=20, bold=True)
    yield Spacer(0, 2 * mm)
    if card.status in _SENTENCES:
        yield texts.line(_SENTENCES[card.status], size=15, bold=True, color="#b00020")
    yield HRFlowable(width="100%", thickness=0.8, color=_GREY, spaceBefore=2 * mm, spaceAfter=6 * mm)
    heads = [("Patient", sheet.patient), ("Prescribed by", sheet.doctor)]
    yield Table([[texts.block(title, lines) for title, lines in heads]], colWidths=["50%", "50%"], style=_TOP)
    yield Spacer(0, 8 * mm)
    for title, value in _rows(card):
        yield texts.line(title, size=9, color="#555555")
        for line in value.splitlines():
            yield texts.line(line, size=13, bold=title == "Medication")
        yield Spacer(0, 4 * mm)
    if sheet.pharmacy:
        yield Table([[texts.block("Pharmacy", sheet.pharmacy)]], colWidths=["100%"], style=_TOP)
    yield Spacer(0, 18 * mm)
    yield HRFlowable(width="60%", thickness=0.8, color=_GREY, hAlign="LEFT")
    yield texts.line("Date and signature", size=9, color="#555555")
    yield Spacer(0, 10 * mm)
    yield texts.line(
        f"No. {card.id}, version {card.version}. Printed {instant(sheet.printed_at)[:16].replace('T', ' ')} UTC.",
        size=8,
        color="#555555",
    )
    if texts.incomplete:
        yield texts.line(_WARNING, size=10, bold=True, color="#b00020")


def _rows(card: PrescriptionCard) -> Iterator[tuple[str, str]]:
    rxnorm = f" (RxNorm {card.medication.rxnorm})" if card.medication.rxnorm else ""
    yield "Medication", f"{card.medication.text}{rxnorm}"
    yield "Dosage", card.dosage or "as discussed"
    if card.instructions:
        yield "Instructions", card.instructions
    yield "Refills", f"{card.refills_remaining} of {card.refills} left" if card.refills else "none"
    if card.date_issued is not None:
        yield "Issued", card.date_issued.date().isoformat()
    if card.reason:
        yield "Reason it ended", card.reason


_TOP = [("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]


class _Texts:
    """Makes paragraphs, and remembers whether a character was missing."""

    def __init__(self) -> None:
        self.incomplete = False

    def line(self, text: str, *, size: float, bold: bool = False, color: str = "#000000") -> Paragraph:
        style = ParagraphStyle(
            "line", fontName=_BOLD if bold else _PLAIN, fontSize=size, leading=size * 1.35, textColor=HexColor(color)
        )
        return Paragraph(escape(self._printable(text, bold=bold)), style)

    def block(self, title: str, lines: tuple[str, ...]) -> list[Paragraph]:
        """A title and the lines below it, the first one bold."""
        said = [self.line(each, size=11, bold=not number) for number, each in enumerate(lines)]
        return [self.line(title, size=9, color="#555555"), *said]

    def _printable(self, text: str, *, bold: bool) -> str:
        glyphs = pdfmetrics.getFont(_BOLD if bold else _PLAIN).face.charToGlyph
        found = "".join(each if _is_printable(each, glyphs) else _MISSING for each in text)
        self.incomplete = self.incomplete or _MISSING in found
        return found


def _is_printable(character: str, glyphs: Mapping[int, int]) -> bool:
    """Scripts that run from right to left are not laid out here: their letters would stand in the wrong order."""
    if unicodedata.bidirectional(character) in ("R", "AL"):
        return False
    return character.isspace() or ord(character) in glyphs


@cache
def _fonts() -> None:
    """Register the fonts, once."""
    for name in (_PLAIN, _BOLD):
        data = (resources.files("api.printing") / "fonts" / f"{name}.ttf").read_bytes()
        pdfmetrics.registerFont(TTFont(name, io.BytesIO(data)))
