"""What this installation reaches outside itself, as the settings name it: mail, payment services."""

from __future__ import annotations

from api.logs import log
from api.settings import Settings
from domain.clinic.billing_cards import Gateway
from storage.payment_gateways import StubGateway
from storage.people import Outside


def mail_and_pages(settings: Settings) -> Outside:
    """Where letters go and link to, and where passkeys are used."""
    return Outside(
        front=settings.front,
        smtp_url=settings.smtp_url,
        mail_folder=settings.data_dir / "mail",
        sender=settings.mail_from,
        origins=tuple(dict.fromkeys((settings.front, settings.origin))),
        report=lambda failure: log.warning("a letter was not delivered", failure=failure),
    )


def payment_gateway(settings: Settings) -> Gateway | None:
    """The service that takes card payments; `None` without one."""
    return StubGateway() if settings.payment_gateway == "stub" else None
