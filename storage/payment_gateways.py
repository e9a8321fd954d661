"""Payment services behind `domain.clinic.billing_cards.Gateway`.

`StubGateway` takes no money: for demonstrations and front ends under construction. A real service is one more class here
that passes the payment's id on as its idempotency key.
"""

from __future__ import annotations

from domain.clinic.billing_cards import Charged, Payment

DECLINED = "declined"
"""The token of a card that is refused."""


class StubGateway:
    """Accepts every card but one, and remembers while the process lives."""

    name = "stub"

    def __init__(self) -> None:
        self._charged: dict[str, Charged] = {}

    async def charge(self, payment: Payment, token: str | None) -> Charged:
        """See `Gateway.charge`."""
        return self._charged.setdefault(payment.id, Charged(token != DECLINED, f"stub-{payment.id}"))

    async def look(self, payment_id: str) -> Charged:
        """See `Gateway.look`."""
        return self._charged.get(payment_id, Charged(accepted=False))
