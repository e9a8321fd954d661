"""A prescription as a page to print. `/api/v1` of PRODUCT 2.11, download."""

from __future__ import annotations

import asyncio

from api.v1.endpoint import Endpoint, Outcome, Visit
from api.v1.occasions import asked
from api.v1.service import Service
from domain.clinic.prescription_cards import KIND
from domain.clinic.prescription_sheets import Sheet, sheet_of


async def downloaded(service: Service, visit: Visit) -> Outcome:
    """A prescription as a PDF of one page"""
    occasion = await asked(service, visit, "prescription-download")
    visit.concerns(f"{KIND}/{visit.params['id']}")
    sheet = await sheet_of(
        service.parts, service.prescribing, service.dispenses, service.letterheads, occasion, visit.params["id"]
    )
    visit.concerns(patients=() if sheet.card.patient_id is None else (sheet.card.patient_id,))
    page = await asyncio.to_thread(_printed, sheet)
    headers = {
        "content-type": "application/pdf",
        "content-disposition": f'attachment; filename="prescription-{sheet.card.id[:36]}.pdf"',
    }
    return Outcome(page, headers=headers, version=sheet.card.version)


def _printed(sheet: Sheet) -> bytes:
    # Loaded when first needed: reportlab takes longer to import than a worker to start.
    from api.printing.prescriptions import printed

    return printed(sheet)


ENDPOINTS = (Endpoint("GET", "/prescriptions/{id}/download", "prescription-download", downloaded),)
