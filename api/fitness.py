"""Whether settings fit together, and in production whether they protect what they must.

The profile `production` refuses what is only fit for development. Called once, when settings are loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from api.forwarding import networks_of

if TYPE_CHECKING:
    from api.settings import Settings

MAIL_SCHEMES = frozenset({"smtps", "smtp", "smtp+insecure"})


def misfits(settings: Settings) -> Iterator[str]:
    """What is wrong with the settings: each sentence names the variable and never its value."""
    if settings.base_url is not None and not settings.base_url.startswith(("http://", "https://")):
        yield "CHARTVAULT_BASE_URL: an http or https URL is expected"
    if settings.front_url is not None and not settings.front_url.startswith(("http://", "https://")):
        yield "CHARTVAULT_FRONT_URL: an http or https URL is expected"
    if settings.smtp_url is not None and urlsplit(settings.smtp_url).scheme not in MAIL_SCHEMES:
        yield "CHARTVAULT_SMTP_URL: smtps:// or smtp:// is expected"
    try:
        networks_of(settings.trusted_proxies or "")
    except ValueError:
        yield "CHARTVAULT_TRUSTED_PROXIES: networks such as 10.0.0.0/8 are expected"
    if "*" in (settings.cors_origins or ""):
        yield "CHARTVAULT_CORS_ORIGINS: name each origin; any page at all may not read records"
    if settings.page_size > settings.max_page_size:
        yield "CHARTVAULT_PAGE_SIZE is larger than CHARTVAULT_MAX_PAGE_SIZE"
    if settings.database == settings.keys_database:
        yield "CHARTVAULT_KEYS_DATABASE must differ from CHARTVAULT_DATABASE"
    if (settings.blob_access_key is None) != (settings.blob_secret_key is None):
        yield "CHARTVAULT_BLOB_ACCESS_KEY and CHARTVAULT_BLOB_SECRET_KEY belong together"
    if settings.profile == "production":
        for refusal in _refused_in_production(settings):
            yield f"The profile production refuses this: {refusal}"


def _refused_in_production(settings: Settings) -> Iterator[str]:
    if settings.kms_provider == "local":
        yield "CHARTVAULT_KMS_PROVIDER is local; whoever copies the disk has the master key. Name a KMS"
    if settings.mongodb_uri is None:
        yield "CHARTVAULT_MONGODB_URI is not set; the embedded MongoDB is a single copy of the data"
    elif not _is_private(settings.mongodb_uri):
        yield "CHARTVAULT_MONGODB_URI does not ask for tls=true"
    if settings.smtp_url is not None and settings.smtp_url.startswith("smtp+insecure:"):
        yield "CHARTVAULT_SMTP_URL does not ask for TLS; letters hold tokens"
    if settings.payment_gateway == "stub":
        yield "CHARTVAULT_PAYMENT_GATEWAY is stub; bills would be paid without money"
    if settings.base_url is None or not settings.base_url.startswith("https://"):
        yield "CHARTVAULT_BASE_URL is not an https URL; tokens and records would travel in clear"
    if (settings.blob_endpoint or "https://").startswith("http://"):
        yield "CHARTVAULT_BLOB_ENDPOINT is not an https URL; whoever listens could alter or withhold documents"


def _is_private(uri: str) -> bool:
    options = uri.lower().partition("?")[2].split("&")
    if "tls=false" in options or "ssl=false" in options or "tlsinsecure=true" in options:
        return False
    return uri.startswith("mongodb+srv://") or "tls=true" in options or "ssl=true" in options
