"""What this installation reaches outside itself, as the settings name it: mail, text messages, webhooks, providers of
patients, payment services."""

from __future__ import annotations

from api.allowed_hosts import AllowedHosts
from api.provider_calls import Bounds, Providers
from api.provider_wire import Lines
from api.settings import Settings
from api.webhook_sending import WebhookSender
from domain.clinic.billing_cards import Gateway
from domain.clinic.insurance_checks import Verifier
from domain.clinic.telling import Telling
from domain.outbox import Carry, Channel, Ways
from domain.ports import Clock
from storage.insurance_verifiers import StubVerifier
from storage.payment_gateways import StubGateway
from storage.people import Outside
from storage.telling import carriers


def mail_and_pages(settings: Settings, told: Telling) -> Outside:
    """What letters link to and leave by, and where passkeys are used."""
    return Outside(settings.front, tuple(dict.fromkeys((settings.front, settings.origin))), told.outbox)


def ways_of(settings: Settings) -> Ways:
    """How letters and text messages leave."""
    sms_folder = settings.data_dir / "sms" if settings.sms == "folder" else None
    contacts = tuple(part.strip() for part in (settings.inquiry_mail or "").split(",") if part.strip())
    mail_folder = settings.data_dir / "mail"
    return Ways(settings.smtp_url, mail_folder, settings.mail_from, sms_folder, settings.notice_details, contacts)


def carriers_of(settings: Settings, told: Telling, clock: Clock) -> dict[Channel, Carry]:
    """What carries letters, text messages and calls of webhooks."""
    return {**carriers(ways_of(settings)), "webhook": calls_of(settings, told, clock)}


def calls_of(settings: Settings, told: Telling, clock: Clock) -> WebhookSender:
    """What calls webhooks."""
    return WebhookSender(told.webhooks, settings.webhook_hosts, clock)


def providers_of(settings: Settings) -> Providers:
    """What calls the providers of patients."""
    bounds = Bounds(content=settings.max_blob_mb * 1024 * 1024)
    return Providers(Lines(AllowedHosts(settings.provider_hosts)), bounds)


def payment_gateway(settings: Settings) -> Gateway | None:
    """The service that takes card payments; `None` without one."""
    return StubGateway() if settings.payment_gateway == "stub" else None


def insurance_verifier(settings: Settings) -> Verifier | None:
    """Who verifies insurances; `None` for nobody."""
    return StubVerifier() if settings.insurance_verifier == "stub" else None
