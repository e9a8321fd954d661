"""Payments whose makers died are completed in the background: the payment service says what became of them."""

from __future__ import annotations

from api.v1.billings import BILLS
from api.v1.service import Service
from domain.access import background
from domain.clinic import payments
from domain.interactions.parts import Occasion

SETTLE_SECONDS = 30.0
_WORKER = background("payments")


async def settle_payments(service: Service) -> None:
    """One round. Raises `Unavailable` when the payment service or the database does not answer."""
    if service.gateway is not None:
        occasion = Occasion(_WORKER, service.parts.new_id(), "payment-settle")
        await payments.settled(service.parts, BILLS, service.gateway, occasion)
