"""Everything that can be configured, typed, from `CHARTVAULT_*` environment variables, with defaults that are safe.

One field is one variable (`api/environment.py`): `max_page_size` is `CHARTVAULT_MAX_PAGE_SIZE`. Each carries its own
explanation, which is also the reference in the README. Invariants: a variable that is misspelt or out of range stops the
start and is named; the profile `production` refuses what is only fit for development; no secret appears in a `repr`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, field

SECRETS = frozenset({"mongodb_uri", "smtp_url", "kms_credentials", "blob_secret_key"})

Count: TypeAlias = Annotated[int, Meta(ge=1)]
Seconds: TypeAlias = Annotated[float, Meta(gt=0)]


def _says(text: str, **limits: Any) -> Meta:
    return Meta(description=text, **limits)


class UnusableSettings(ValueError):
    """The configuration is wrong or unsafe; the message names the variable and never its value."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration of one process."""

    profile: Annotated[
        Literal["development", "production"], _says("`production` refuses what is only fit for development.")
    ] = "development"
    data_dir: Annotated[Path, _says("Folder of the embedded MongoDB, of keys and of tokens.")] = Path("data")

    host: Annotated[str, _says("Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, _says("Port to listen on.", ge=1, le=65535)] = 8000
    workers: Annotated[int, _says("Server processes.", ge=1, le=64)] = 1
    base_url: Annotated[
        str | None, _says("FHIR base as clients see it, used in every link. Default: `http://HOST:PORT/fhir`.")
    ] = None

    mongodb_uri: Annotated[
        str | None, _says("Replica set or sharded cluster to use instead of the embedded MongoDB. Secret.")
    ] = None
    database: Annotated[str, _says("Database of the data.", pattern="^[A-Za-z0-9_-]{1,38}$")] = "chartvault"
    keys_database: Annotated[
        str, _says("Database of the key vault, kept apart for its own backups.", pattern="^[A-Za-z0-9_-]{1,38}$")
    ] = "chartvault_keys"
    mongodb_pool_size: Annotated[Count, _says("Connections to MongoDB per process.")] = 100
    mongod: Annotated[Path | None, _says("Server binary to embed. Default: `mongod` on PATH, or the extra.")] = None
    embedded_cache_mb: Annotated[int, _says("Cache of the embedded MongoDB, in MB.", ge=256)] = 256
    embedded_oplog_mb: Annotated[int, _says("Oplog of the embedded MongoDB, in MB.", ge=512)] = 512

    blob_url: Annotated[
        str | None,
        _says("Where documents are kept: a folder, or `s3://bucket/prefix`. Default: `blobs` in the data folder."),
    ] = None
    blob_endpoint: Annotated[str | None, _says("Address of the S3 store. Default: Amazon's.")] = None
    blob_region: Annotated[str, _says("Region of the bucket.")] = "us-east-1"
    blob_access_key: Annotated[
        str | None, _says("Account at the S3 store. Default: `AWS_ACCESS_KEY_ID`, or the machine's role.")
    ] = None
    blob_secret_key: Annotated[str | None, _says("Secret of that account. Secret.")] = None
    blob_connect_seconds: Annotated[Seconds, _says("Time to connect to the S3 store.")] = 2.0
    blob_read_seconds: Annotated[Seconds, _says("Time the S3 store has to answer.")] = 10.0
    blob_deadline_seconds: Annotated[
        float, _says("Time without progress after which a request gives up on the S3 store.", gt=0, le=60)
    ] = 14.0
    blob_pending_hours: Annotated[
        float, _says("How long an upload waits to be published before it is removed.", ge=0.1)
    ] = 24.0
    max_blob_mb: Annotated[int, _says("Largest document, in MB.", ge=1, le=50_000)] = 5_000
    document_types: Annotated[str, _says("Media types accepted as documents: `application/pdf image/*`.")] = "*/*"
    max_inline_mb: Annotated[int, _says("Largest document given as base64 in JSON, in MB.", ge=1, le=100)] = 10
    max_searched_mb: Annotated[int, _says("Largest document whose words can be searched, in MB.", ge=1, le=512)] = 64
    clamd: Annotated[str | None, _says("ClamAV daemon that scans documents: `host:port` or a socket's path.")] = None
    reading_seconds: Annotated[Seconds, _says("Time to read the words of a document.")] = 20.0
    transfer_seconds: Annotated[Seconds, _says("Time limit of the upload of one document.")] = 3_600.0

    kms_provider: Annotated[
        Literal["local", "aws", "azure", "gcp", "kmip"],
        _says("Who holds the master key; `local` is a file, for development."),
    ] = "local"
    kms_options: Annotated[
        dict[str, Any], _says("Master key document of the provider, as JSON: for aws `key` and `region`, and so on.")
    ] = field(default_factory=dict)
    kms_credentials: Annotated[
        dict[str, Any], _says("Credentials of the provider, as JSON. Default: environment or instance. Secret.")
    ] = field(default_factory=dict)
    kms_tls: Annotated[dict[str, Any], _says("TLS options of the provider, as JSON.")] = field(default_factory=dict)
    key_cache_seconds: Annotated[
        float,
        _says("How long a key stays in memory: an erasure reaches every process within it.", gt=0, le=300),
    ] = 30.0
    key_cache_size: Annotated[Count, _says("Keys held in memory per process.")] = 10_000

    token_issuer: Annotated[str, _says("`iss` of the tokens made by `chartvault token`.", min_length=1)] = "chartvault"  # noqa: S105
    token_audience: Annotated[str, _says("`aud` that tokens must carry.", min_length=1)] = "chartvault"  # noqa: S105
    token_key: Annotated[
        Path | None,
        _says("Ed25519 private key (PEM) that signs tokens. Default: made in the data folder."),
    ] = None
    token_issuers: Annotated[
        Path | None, _says("JSON file of other issuers to trust: `issuer`, `algorithm`, `keys` (a JWK set) of each.")
    ] = None

    access_token_seconds: Annotated[int, _says("Life of a person's access token.", ge=30, le=600)] = 600
    session_hours: Annotated[float, _says("After this time somebody has to log in again.", gt=0, le=24)] = 12.0
    session_idle_minutes: Annotated[
        float, _says("A login whose tokens are not renewed for so long is over.", gt=0, le=1440)
    ] = 60.0
    offline_days: Annotated[
        float, _says("The same for apps that were granted `offline_access`: longest time in all.", gt=0, le=366)
    ] = 90.0
    offline_idle_days: Annotated[float, _says("And the longest time without renewing their tokens.", gt=0, le=366)] = (
        30.0
    )

    front_url: Annotated[
        str | None,
        _says("Address of the front end that letters link to, where passkeys are used too. Default: the server's own."),
    ] = None
    smtp_url: Annotated[
        str | None,
        _says(
            "Mail server: `smtps://name:password@host:465` or `smtp://…:587` (STARTTLS). Default: letters become files in "
            "the data folder. Secret."
        ),
    ] = None
    mail_from: Annotated[str, _says("Sender of letters.", min_length=3)] = "chartvault@localhost"

    notice_details: Annotated[bool, _says("Mails and text messages say what happened, not just that it did.")] = False
    sms: Annotated[Literal["none", "folder"], _says("Text messages: none, or files in the data folder, to try.")] = (
        "none"
    )
    inquiry_mail: Annotated[str | None, _says("Addresses told of inquiries, by comma. Default: every DIETICIAN's.")] = (
        None
    )
    webhook_hosts: Annotated[
        str | None, _says("Hosts webhooks may go to, by comma, even private ones. Default: any public one, by https.")
    ] = None
    provider_hosts: Annotated[
        str | None, _says("The same for the providers of patients that records are synchronised with.")
    ] = None

    max_resource_mb: Annotated[
        int, _says("Largest resource in a request, in MB; MongoDB stores up to 16 MB with index terms.", ge=1, le=15)
    ] = 15
    max_bundle_mb: Annotated[int, _says("Largest Bundle in a request, in MB.", ge=1, le=1024)] = 64
    max_bundle_entries: Annotated[Count, _says("Most entries of a batch or transaction.")] = 10_000
    page_size: Annotated[Count, _says("Entries of a page when the client does not say.")] = 50
    max_page_size: Annotated[Count, _says("Most entries of a page.")] = 1_000
    strict_search: Annotated[
        bool, _says("Refuse unknown search parameters even when the client does not ask for it.")
    ] = False
    require_if_match: Annotated[
        bool, _says("Refuse changes of `/api/v1` that do not name the version they replace (428).")
    ] = False

    interaction_checks: Annotated[
        Literal["off", "warn", "block"],
        _says(
            "Checks of prescriptions: `block` refuses contraindicated ones that are not overridden, `warn` only tells."
        ),
    ] = "block"

    request_seconds: Annotated[Seconds, _says("Time limit of one request.")] = 30.0
    bundle_seconds: Annotated[Seconds, _says("Time limit of one batch or transaction.")] = 120.0
    header_seconds: Annotated[Seconds, _says("Time a client has to send its request headers.")] = 10.0
    shutdown_seconds: Annotated[Count, _says("Time running requests have to finish when the server stops.")] = 20
    max_connections: Annotated[Count, _says("Requests in progress per process; more wait in the backlog.")] = 1_024

    rate_limit: Annotated[
        int, _says("Requests a minute of one account or program, over all processes; 0 is no limit.", ge=0)
    ] = 600_000
    rate_limit_network: Annotated[
        int, _says("Requests a minute from one network address, over all processes; 0 is no limit.", ge=0)
    ] = 600_000
    rate_limit_sign_in: Annotated[
        int, _says("Logins, registrations and inquiries a minute from one network address; 0 is no limit.", ge=0)
    ] = 300
    hold_minutes: Annotated[
        int, _says("How long a time is held for somebody who has not confirmed the appointment.", ge=1, le=120)
    ] = 10
    max_open_holds: Annotated[Count, _says("Appointments one account may hold without confirming them.")] = 5
    reminder_hours: Annotated[float, _says("How long before an appointment its patient is reminded.", gt=0, le=720)] = (
        24.0
    )
    video_demo_url: Annotated[
        str | None,
        _says("Address below which appointments get demonstration links for video. Default: no video calls (501)."),
    ] = None
    privacy_officers: Annotated[
        str | None,
        _says(
            "Mail addresses told of emergency access, separated by commas. Default: administrators of the organisation."
        ),
    ] = None
    trusted_proxies: Annotated[
        str | None,
        _says("Networks of proxies whose `X-Forwarded-For` or `Forwarded` is believed, separated by commas."),
    ] = None
    cors_origins: Annotated[
        str | None,
        _says("Origins whose pages may call this server, such as `https://app.example.org`, separated by commas."),
    ] = None

    currency: Annotated[str, _says("Currency of the bills of visits (ISO 4217).", pattern="^[A-Z]{3}$")] = "EUR"
    visit_fee: Annotated[
        str, _says("What a visit costs unless its doctor says something else.", pattern=r"^\d{1,9}(\.\d{1,2})?$")
    ] = "0.00"
    payment_gateway: Annotated[
        Literal["none", "stub"], _says("Service that takes card payments. `stub` accepts them and takes no money.")
    ] = "none"
    insurance_verifier: Annotated[
        Literal["none", "stub"],
        _says("Who verifies insurances. `none`: questions stay open; `stub` believes what is on file."),
    ] = "none"

    log_level: Annotated[Literal["debug", "info", "warning", "error"], _says("Least severe log line written.")] = "info"

    def __repr__(self) -> str:
        return f"Settings({self.profile}, {self.fhir_base})"

    @property
    def fhir_base(self) -> str:
        """The FHIR base URL, without a slash at the end. Never taken from a request: a Host header is the client's."""
        if self.base_url is not None:
            return self.base_url.rstrip("/")
        host = "localhost" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/fhir"

    @property
    def origin(self) -> str:
        """Scheme, host and port of this server as clients see it."""
        address = urlsplit(self.fhir_base)
        return f"{address.scheme}://{address.netloc}"

    @property
    def front(self) -> str:
        """Where people are: the front end, or this server. Without a slash at the end."""
        return (self.front_url or self.origin).rstrip("/")

    @property
    def public_url(self) -> str:
        """Where everything beside `/fhir` is, without a slash at the end; also our name as an issuer."""
        base = self.fhir_base
        return base.removesuffix("/fhir") if base.endswith("/fhir") else self.origin

    @property
    def blob_address(self) -> str:
        """Where documents are kept."""
        return self.blob_url or str(self.data_dir / "blobs")

    @property
    def token_key_path(self) -> Path:
        return self.token_key or self.data_dir / "token-key.pem"

    @property
    def embedded(self) -> bool:
        """Whether the program runs its own MongoDB."""
        return self.mongodb_uri is None
