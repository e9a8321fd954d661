"""What answers requests, made of what a process has opened: the FHIR surface, `/api/v1`, and logging in for both."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from api.auth import Authenticator
from api.fhir.paging import PageLinks
from api.fhir.release import capabilities
from api.fhir.service import Limits, Service
from api.fhir.surface import Callers, FhirSurface
from api.gate import Gate, policies_of
from api.logins import Logins
from api.oauth.key_sets import KeySets
from api.oauth.service import Service as OAuthService
from api.oauth.surface import OAuthSurface
from api.oauth.table import ROUTES
from api.outside import calls_of, insurance_verifier, payment_gateway
from api.settings import Settings
from api.syncing import sync_of
from api.tokens import AccessTokens
from api.trusted_keys import TrustedKeys
from api.v1.cursors import Cursors
from api.v1.notification_events import Listeners
from api.v1.service import Limits as V1Limits
from api.v1.service import Service as V1Service
from api.v1.surface import Surface
from api.v1.table import TABLE
from api.video import DemonstrationRooms
from api.wiring import Opened
from domain.clinic.billing_cards import Fee
from domain.clinic.booking_desk import Desk, Rules
from domain.clinic.prescriptions import Prescribing
from domain.clinic.visit_bills import VisitBills
from fhir_mapping.friendly.appointments import Appointments
from fhir_mapping.friendly.billings import Bills
from fhir_mapping.friendly.dispenses import Dispenses
from fhir_mapping.friendly.doctors import Doctors
from fhir_mapping.friendly.documents import Documents
from fhir_mapping.friendly.inquiries import Inquiries
from fhir_mapping.friendly.letterheads import Letterheads
from fhir_mapping.friendly.medical_records import MedicalRecords
from fhir_mapping.friendly.medications import Medications
from fhir_mapping.friendly.prescriptions import Prescriptions
from fhir_mapping.friendly.record_notes import RecordNotes
from fhir_mapping.friendly.refills import Refills
from fhir_mapping.friendly.shares import Shares
from fhir_mapping.summary import Summaries
from fhir_mapping.tables import RESOURCE_TYPES

MB = 1024 * 1024


def authenticator(settings: Settings, opened: Opened) -> Authenticator:
    """The verifier of tokens for every surface."""
    return Authenticator(TrustedKeys(settings, opened.signatures).find, opened.sessions.present)


def fhir_surface(settings: Settings, opened: Opened) -> FhirSurface:
    """The FHIR surface over what `opened` holds."""
    service = Service(
        parts=opened.parts,
        pages=PageLinks(opened.keyring.service.link_secret),
        limits=Limits(
            resource_bytes=settings.max_resource_mb * MB,
            bundle_bytes=settings.max_bundle_mb * MB,
            page=settings.page_size,
            largest_page=settings.max_page_size,
            bundle_entries=settings.max_bundle_entries,
            seconds=settings.request_seconds,
            bundle_seconds=settings.bundle_seconds,
            strict_search=settings.strict_search,
            blob_bytes=settings.max_blob_mb * MB,
            transfer_seconds=settings.transfer_seconds,
        ),
        capability=capabilities().body(settings.fhir_base),
        types=frozenset(RESOURCE_TYPES),
        jobs=opened.jobs,
        custom=opened.custom,
        audit=opened.oversight.audit,
        grants=opened.oversight.grants,
        desk=desk(settings, opened),
    )
    gate = Gate(opened.oversight.throttle, policies_of(settings))
    return FhirSurface(
        service,
        Callers(authenticator(settings, opened).authenticate, opened.policy.resolve, opened.sessions.still),
        settings.fhir_base,
        gate,
    )


def logins(settings: Settings, opened: Opened) -> Logins:
    """How people log in, through whichever surface."""
    return Logins(opened.sessions, opened.accounts, AccessTokens(settings, opened.signatures), settings)


def v1_service(settings: Settings, opened: Opened) -> V1Service:
    """What `/api/v1`, and what goes on beside it, work with."""
    return V1Service(
        parts=opened.parts,
        cursors=Cursors(opened.keyring.service.link_secret),
        replays=opened.replays,
        limits=V1Limits(seconds=settings.request_seconds, require_if_match=settings.require_if_match),
        people=opened.people,
        logins=logins(settings, opened),
        audit=opened.oversight.audit,
        grants=opened.oversight.grants,
        resolve=opened.policy.resolve,
        documents=Documents(),
        shares=Shares(),
        vouchers=opened.vouchers,
        desk=desk(settings, opened),
        summaries=Summaries(settings.fhir_base),
        gateway=payment_gateway(settings),
        verifier=insurance_verifier(settings),
        prescribing=Prescribing(Prescriptions(), Medications(), opened.drug_tables, settings.interaction_checks),
        dispenses=Dispenses(),
        refills=Refills(),
        issues=Prescriptions(),
        feedback=opened.feedback,
        letterheads=Letterheads(),
        medical_records=MedicalRecords(),
        record_notes=RecordNotes(),
        telling=opened.telling,
        inquiries=Inquiries(),
        calls=calls_of(settings, opened.telling, opened.parts.clock),
        listeners=Listeners(opened.telling.notices),
        sync=sync_of(settings, opened),
    )


def v1_surface(settings: Settings, opened: Opened, service: V1Service) -> Surface:
    """`/api/v1` over what `opened` holds."""
    gate = Gate(opened.oversight.throttle, policies_of(settings))
    return Surface(service, authenticator(settings, opened).authenticate, TABLE, gate)


def desk(settings: Settings, opened: Opened) -> Desk:
    """What bookings are made with, through whichever surface."""
    rules = Rules(
        timedelta(minutes=settings.hold_minutes), settings.max_open_holds, timedelta(hours=settings.reminder_hours)
    )
    rooms = settings.video_demo_url and DemonstrationRooms(settings.video_demo_url, opened.keyring.service.link_secret)
    bills = VisitBills(Bills(), Fee(Decimal(settings.visit_fee), settings.currency))
    return Desk(opened.parts, Appointments(), Doctors(), rules, rooms or None, (bills,))


def oauth_surface(settings: Settings, opened: Opened) -> OAuthSurface:
    """`/oauth` over what `opened` holds."""
    return OAuthSurface(oauth_service(settings, opened), ROUTES, Gate(opened.oversight.throttle, policies_of(settings)))


def oauth_service(settings: Settings, opened: Opened) -> OAuthService:
    """What the OAuth endpoints, and the commands about clients, work with."""
    return OAuthService(
        parts=opened.parts,
        settings=settings,
        clients=opened.clients,
        vouchers=opened.vouchers,
        accounts=opened.accounts,
        people=opened.people,
        logins=logins(settings, opened),
        tokens=AccessTokens(settings, opened.signatures),
        signatures=opened.signatures,
        authenticator=authenticator(settings, opened),
        resolve=opened.policy.resolve,
        key_sets=KeySets(),
    )
