"""What is recorded of each request: one entry, durable before any protected byte leaves.

Modelled on FHIR AuditEvent as profiled by IHE BALP (https://profiles.ihe.net/ITI/BALP/): who asked (subject, client,
token), from where, what (interaction, targets, patients concerned) and how it ended. The raw query and the network address
are protected content: storage seals them. A transaction of many resources is one entry with many targets.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from domain.access import Caller

Action: TypeAlias = Literal["C", "R", "U", "D", "E"]
"""https://hl7.org/fhir/R4/valueset-audit-event-action.html"""

ACTIONS: dict[str, Action] = {
    "create": "C",
    "read": "R",
    "vread": "R",
    "history-instance": "R",
    "history-type": "R",
    "history-system": "R",
    "search-type": "E",
    "search-system": "E",
    "update": "U",
    "patch": "U",
    "delete": "D",
    "transaction": "E",
    "batch": "E",
    "operation": "E",
    "login": "E",
    "logout": "E",
    "register": "C",
    "verify-email": "U",
    "verify-email-again": "E",
    "email-change": "E",
    "email-confirm": "U",
    "password-reset": "U",
    "password-change": "U",
    "mfa-read": "R",
    "mfa-enroll": "U",
    "mfa-confirm": "U",
    "mfa-remove": "U",
    "mfa-reset": "U",
    "passkey-add": "U",
    "passkey-remove": "U",
    "session-list": "R",
    "session-end": "D",
    "user-list": "R",
    "user-read": "R",
    "user-create": "C",
    "user-update": "U",
    "user-approve": "U",
    "user-disable": "D",
    "audit-list": "R",
    "break-glass": "C",
    "break-glass-list": "R",
    "break-glass-review": "U",
    "erase": "D",
    "rotate": "E",
}
VERBS: dict[str, Action] = {
    "create": "C",
    "add": "C",
    "import": "C",
    "dispense": "C",
    "read": "R",
    "list": "R",
    "history": "R",
    "download": "R",
    "export": "R",
    "update": "U",
    "stop": "U",
    "approve": "U",
    "deny": "U",
    "cancel": "U",
    "confirm": "U",
    "complete": "U",
    "delete": "D",
    "retire": "D",
}
"""What the last word of an interaction of the clinic stands for, `prescription-create`; every other is E."""


READ_ONLY = "AuditEvent"
"""The type that is written by recording requests and in no other way."""


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it will be remembered. `targets` are `Type/id/version` (or `Type/id`), `status` is the HTTP status.

    Of a person it holds what they were then: `roles`, `profiles`, `organizations`; `purpose` are the purposes of use.
    """

    recorded: datetime
    interaction: str
    status: int
    subject: str
    client: str
    token_id: str
    request_id: str
    targets: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    network: str | None = None
    query: str | None = None
    roles: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()
    purpose: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"AuditEntry({self.interaction}, {self.status}, {self.request_id})"

    @property
    def action(self) -> Action:
        return ACTIONS.get(self.interaction) or VERBS.get(self.interaction.rpartition("-")[2], "E")

    @property
    def outcome(self) -> str:
        """https://hl7.org/fhir/R4/valueset-audit-event-outcome.html: 0 success, 4 minor failure, 8 serious failure."""
        return "0" if self.status < 400 else "4" if self.status < 500 else "8"


def entry(
    caller: Caller,
    interaction: str,
    *,
    recorded: datetime,
    request_id: str,
    status: int,
    targets: tuple[str, ...] = (),
    patients: tuple[str, ...] = (),
    query: str | None = None,
) -> AuditEntry:
    """The entry for one request of `caller`; raw `query` text may hold names, so storage seals it."""
    return AuditEntry(
        recorded=recorded,
        interaction=interaction,
        status=status,
        subject=caller.subject,
        client=caller.client,
        token_id=caller.token_id,
        request_id=request_id,
        targets=targets,
        patients=patients,
        network=caller.network,
        query=query,
        roles=tuple(sorted(caller.roles)),
        profiles=caller.profiles,
        organizations=caller.organizations,
        purpose=tuple(sorted(caller.purpose)),
    )
