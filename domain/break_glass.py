"""Break-glass: a clinician sees one patient they have no relation to, for a short time, and everybody learns of it.

45 CFR 164.312(a)(2)(ii) asks for an emergency procedure; ours is a grant for one account and one patient, opened with a
reason and a fresh second factor, told to the privacy officers and to the patient, and reviewed afterwards. Whether a grant
is active is decided at every request by the clock: nothing has to run for it to end.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, TypeAlias

import msgspec

from domain.access import Caller, Role
from domain.errors import Forbidden, InvalidRequest, StepUpRequired

PURPOSE = "BTG"  # https://terminology.hl7.org/CodeSystem-v3-ActReason.html
ROLES: frozenset[Role] = frozenset({"DOCTOR", "NURSE", "PHARMACIST", "LAB_TECHNICIAN", "DIETICIAN"})
"""Who treats patients. Administrators and the front desk never need a record at once (DECISIONS.md)."""
REVIEWERS: frozenset[Role] = frozenset({"ADMIN", "SUPER_ADMIN"})
SHORTEST, LONGEST = timedelta(minutes=15), timedelta(minutes=60)
SECOND_FACTOR_SECONDS, CLOCK_SKEW_SECONDS = 300, 60
SHORTEST_REASON, LONGEST_REASON, LONGEST_NOTE = 10, 1000, 1000
Verdict: TypeAlias = Literal["justified", "unjustified"]


class Review(msgspec.Struct, frozen=True):
    """What a reviewer found, when. An unjustified grant ends with its review."""

    by: str
    at: datetime
    verdict: Verdict
    note: str = ""

    def __repr__(self) -> str:
        return f"Review({self.verdict})"


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """Access of `account` (recorded in the audit as `subject`) to the record of one patient in `[since, until)`."""

    id: str
    account: str
    subject: str
    patient: str
    reason: str
    since: datetime
    until: datetime
    request_id: str
    organizations: tuple[str, ...] = ()
    review: Review | None = None

    def __repr__(self) -> str:
        return f"Grant({self.id}, Patient/{self.patient})"

    def active(self, now: datetime) -> bool:
        refused = self.review is not None and self.review.verdict == "unjustified"
        return self.since <= now < self.until and not refused


def new_grant(
    caller: Caller, *, grant_id: str, patient: str, reason: str, minutes: int | None, now: datetime, request_id: str
) -> Grant:
    """The grant a caller asks for, 15 minutes long when they do not say.

    Raises `Forbidden` for who does not treat patients, `StepUpRequired` when the second factor is older than five minutes,
    `InvalidRequest` for a reason of fewer than ten characters or a time outside of 15 to 60 minutes.
    """
    if caller.account is None or not caller.roles & ROLES:
        raise Forbidden("Emergency access is for people who treat patients")
    require_recent_factor(caller, now)
    said = " ".join(reason.split())
    if not SHORTEST_REASON <= len(said) <= LONGEST_REASON:
        raise InvalidRequest(
            f"The reason takes {SHORTEST_REASON} to {LONGEST_REASON} characters", code="value", expression="reason"
        )
    length = SHORTEST if minutes is None else timedelta(minutes=minutes)
    if not SHORTEST <= length <= LONGEST:
        raise InvalidRequest("Emergency access takes 15 to 60 minutes", code="value", expression="minutes")
    return Grant(
        id=grant_id,
        account=caller.account,
        subject=caller.subject,
        patient=patient,
        reason=said,
        since=now,
        until=now + length,
        request_id=request_id,
        organizations=caller.organizations,
    )


def require_recent_factor(caller: Caller, now: datetime) -> None:
    """Raise `StepUpRequired` unless the caller proved a second factor in the last five minutes."""
    proved = caller.second_factor_at
    if proved is None or not -CLOCK_SKEW_SECONDS <= now.timestamp() - proved <= SECOND_FACTOR_SECONDS:
        raise StepUpRequired("A second factor not older than five minutes is required")
