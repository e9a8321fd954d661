"""What the handlers of `/api/v1` work with: the ports and limits, put together once at start-up by `api/wiring.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from api.logins import Logins
from api.v1.cursors import Cursors
from domain.access import Caller
from domain.accounts.people import People
from domain.audit_check import AuditCheck
from domain.audit_reading import AuditReading
from domain.clinic.billing_cards import Gateway
from domain.clinic.booking_desk import Desk
from domain.clinic.cds_feedback import FeedbackBook
from domain.clinic.dispensing import DispenseRecords
from domain.clinic.document_cards import DocumentRecords
from domain.clinic.inquiries import InquiryRecords
from domain.clinic.insurance_checks import Verifier
from domain.clinic.medical_record_cards import MedicalRecords
from domain.clinic.order_checking import ReadIssues
from domain.clinic.prescription_sheets import Letterheads
from domain.clinic.prescriptions import Prescribing
from domain.clinic.record_note_cards import RecordNotes
from domain.clinic.refills import RefillRecords
from domain.clinic.sharing import ShareRecords
from domain.clinic.sync_parts import Sync
from domain.clinic.telling import Telling
from domain.clinic.webhooks import Calls
from domain.grants import GrantBook
from domain.interactions.parts import Parts
from domain.operations.summary import SummaryRecords
from domain.vouchers import Vouchers

Resolve = Callable[[Caller], Awaitable[Caller]]
"""Caller to the same with what they may see and do now."""

if TYPE_CHECKING:
    from api.v1.notification_events import Listeners
    from api.v1.replays import Replays


class Audit(AuditReading, AuditCheck, Protocol):
    """The audit, to read and to check."""


class Limits(NamedTuple):
    """Seconds one request may take, and one that streams a body; rows of a page; whether writes must say what they
    replace (`If-Match`)."""

    seconds: float = 30.0
    stream_seconds: float = 600.0
    page: int = 50
    largest_page: int = 100
    require_if_match: bool = False


class Service(NamedTuple):
    """Everything a handler may use."""

    parts: Parts
    cursors: Cursors
    replays: Replays
    limits: Limits
    people: People
    logins: Logins
    audit: Audit
    grants: GrantBook
    resolve: Resolve
    documents: DocumentRecords
    shares: ShareRecords
    vouchers: Vouchers
    prescribing: Prescribing
    dispenses: DispenseRecords
    refills: RefillRecords
    issues: ReadIssues
    feedback: FeedbackBook
    letterheads: Letterheads
    medical_records: MedicalRecords
    record_notes: RecordNotes
    desk: Desk
    telling: Telling
    inquiries: InquiryRecords
    calls: Calls
    listeners: Listeners
    sync: Sync
    summaries: SummaryRecords
    gateway: Gateway | None = None
    verifier: Verifier | None = None
